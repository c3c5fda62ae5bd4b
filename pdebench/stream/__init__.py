"""Trajectories straight from solvers into a training buffer, through the contract that a store has, too.

Producers end in a `StreamSink`, the trainer owns a `Receiver`; between them go ids and slot numbers, while the frames
lie in memory that both share (one host) or follow on the socket (several). Every window of the campaign is known by
(member, start): it is seen, or it is not, and nothing else decides what is sent again after a crash.
"""

from .buffer import Plan, Pool, policies
from .client import HEADER, Client
from .proposals import Importance, Proposal, Told, Uniform, proposals
from .receiver import Receiver
from .records import Buffering, Drawn, Report
from .sink import StreamSink, TrainerGone

__all__ = [
    "HEADER",
    "Buffering",
    "Client",
    "Drawn",
    "Importance",
    "Plan",
    "Pool",
    "Proposal",
    "Receiver",
    "Report",
    "StreamSink",
    "Told",
    "TrainerGone",
    "Uniform",
    "policies",
    "proposals",
]
