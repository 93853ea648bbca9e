"""`make fuzz`: every parser of foreign bytes against hostile ones. README.md tells how."""
