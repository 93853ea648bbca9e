"""The users and groups of this machine."""

from __future__ import annotations


class NoSuchAccount(LookupError):
    """The text says which user or group there is not."""


class SystemAccounts:
    """What the system's user database says, each time anew.

    It is asked at a start and a reload only, and for the user of a command in that command's
    own process: a database elsewhere may take its time.
    """

    def has_user(self, name: str) -> bool:
        """There is a user of that name."""
        import pwd

        try:
            pwd.getpwnam(name)
        except KeyError:
            return False
        return True

    def has_group(self, name: str) -> bool:
        """There is a group of that name."""
        import grp

        try:
            grp.getgrnam(name)
        except KeyError:
            return False
        return True


def user_and_group(user: str) -> tuple[int, int]:
    """Numbers of a user and of the user's own group. Raises NoSuchAccount."""
    import pwd

    try:
        found = pwd.getpwnam(user)
    except KeyError:
        raise NoSuchAccount(f"there is no user {user}") from None
    return found.pw_uid, found.pw_gid


def group(name: str) -> int:
    """The number of what CMD_EXEC_GROUP names. Raises NoSuchAccount.

    The C daemon looks for a user of that name and takes that user's group; where there are
    both a user and a group, we mean the same as it does.
    """
    import grp

    try:
        return user_and_group(name)[1]
    except NoSuchAccount:
        pass
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise NoSuchAccount(f"there is no group {name}") from None
