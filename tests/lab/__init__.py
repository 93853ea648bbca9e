"""The lab: a phone, a stranger, a router and a LAN host, with the programs of this project.

    with Lab(folder) as lab:
        lab.knock()
        assert lab.phone.connect(lab.router.address, 22)

`make run` is this in a terminal, `make knock` a visit to it.
"""
