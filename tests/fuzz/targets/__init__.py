"""The targets, a module for each edge of the programs; ``registry`` knows them all."""
