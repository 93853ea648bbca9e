"""What can be wrong with a capture, in words that say what to do."""

from __future__ import annotations

from fwknopd.capture import CaptureError, CaptureFault
from fwknopd.capture.device import is_up


def open_error(device: str, text: str) -> CaptureError:
    """Why a device can't be captured on; ``text`` is what the library said."""
    if "permi" in text:  # "permission" and "not permitted"
        return CaptureError(
            CaptureFault.NOT_PERMITTED,
            f"capturing on {device} is not permitted",
            "Run the daemon as root or with the capability CAP_NET_RAW",
        )
    if not is_up(device):
        return CaptureError(
            CaptureFault.DEVICE_DOWN,
            f"the device {device} is down",
            f"Bring it up (ip link set {device} up); capturing starts by itself then",
        )
    return CaptureError(
        CaptureFault.OTHER,
        f"capturing on {device} failed: {text}",
        "Check PCAP_INTF, ENABLE_PCAP_PROMISC and MAX_SNIFF_BYTES",
    )


def bad_file(name: str, text: str) -> CaptureError:
    """A capture file that can't be read."""
    return CaptureError(
        CaptureFault.BAD_FILE,
        f"the capture file {name} can't be read: {text}",
        "Give a file written by tcpdump -w",
    )


def gone(device: str, text: str) -> CaptureError:
    """A capture whose device is no more."""
    return CaptureError(
        CaptureFault.DEVICE_GONE,
        f"capturing on {device} has ended: {text}",
        "It starts again by itself when the device is back",
    )


def bad_filter(text: str, complaint: str) -> CaptureError:
    """A filter the library refuses."""
    return CaptureError(
        CaptureFault.BAD_FILTER,
        f"the capture filter '{text}' is not valid: {complaint}",
        "Correct PCAP_FILTER, for example: udp port 62201",
        "PCAP_FILTER",
    )
