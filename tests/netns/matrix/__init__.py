"""Doors that survive everything, each kind with each firewall through each trouble.

- `site`, `services`, `attempts`: machines, servers that say whom they see, connections
- `arenas`: the firewalls, `fw3` one of them; `troubles`: what happens to a router
- `kinds`, `kind_table`: what clients ask for, and who gets where then; `knocking`: asking
- `ledger`: the model of what should be open; `scene`: comparing it with the kernel
- `watch`: strangers and bystanders, tried all the time; `guarded`: the router with the daemon
- `campaign`, `plans`, `running`: which of all this together, and several at a time
"""
