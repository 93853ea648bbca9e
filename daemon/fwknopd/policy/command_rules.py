"""May this client run the command of its message? Behaviour notes 4, step 13e, and 9."""

from __future__ import annotations

from fwknopd.policy.command import as_configured, is_for_sudo, split, split_text
from fwknopd.policy.knock import Knock
from fwknopd.policy.verdict import CommandDecision, Reason, Refusal, Verdict
from fwknopd.spa.request import CommandRequest


def command_allowed(knock: Knock, request: CommandRequest) -> Refusal | None:
    """ENABLE_CMD_EXEC, and the client's list of commands if it has one."""
    stanza, words = knock.stanza, split(request.command)
    if stanza.cmd_cycle_open:
        return _refused(knock, "this client's knocks run the command of CMD_CYCLE_OPEN only")
    if not stanza.enable_cmd_exec:
        return _refused(knock, "commands are off for this client (ENABLE_CMD_EXEC)")
    if not words:
        return knock.refuse(Reason.MALFORMED, "the command is nothing but blanks")
    if stanza.enable_cmd_sudo_exec and is_for_sudo(words[0]):
        return _refused(knock, f"sudo would take {words[0].decode('latin-1')!a} for an option")
    allowed = stanza.allowed_commands
    if allowed is not None and words not in map(split_text, allowed):
        listed = ", ".join(f"'{command}'" for command in allowed)
        return _refused(knock, f"not among this client's allowed_commands ({listed})")
    return None


def decide_command(knock: Knock, request: CommandRequest) -> Verdict:
    """The verdict on a message that asks for a command."""
    command = as_configured(split(request.command), knock.stanza, knock.settings)
    return command_allowed(knock, request) or CommandDecision(
        knock.stanza, knock.message, knock.address, command, knock.signer
    )


def _refused(knock: Knock, detail: str) -> Refusal:
    return knock.refuse(Reason.COMMAND_NOT_ALLOWED, detail)
