"""What the trainer may draw from: windows put together from frames as they come, and the policy that picks the next.

No thread, no socket: `Pool` is plain data that its owner locks.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ..arrays import Array, Index
from ..errors import PdebenchError
from ..registry import Registry
from .slots import Slots

AHEAD = 4  # steps for which a solver may hold slots before it has the frames
Key = tuple[int, int]  # (member, start)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which windows a campaign has: `span` frames from every start, of every member (no history: steady)."""

    members: int
    frames: int
    history: int = 1
    horizon: int = 1
    stride: int = 1
    start_every: int = 1

    def __post_init__(self) -> None:
        if min(self.horizon, self.stride, self.start_every) < 1 or self.history < 0:
            raise ValueError("history, horizon, stride and start_every must be 1 or more")
        if self.span > self.frames:
            raise PdebenchError(
                f"a window of {self.history} + {self.horizon} frames, {self.stride} apart, spans {self.span} frames, "
                f"but a trajectory has {self.frames}: ask for fewer, or a smaller stride"
            )

    @property
    def span(self) -> int:
        return (self.history + self.horizon - 1) * self.stride + 1

    @property
    def starts(self) -> range:
        return range(0, self.frames - self.span + 1, self.start_every)

    def needing(self, frame: int) -> list[int]:
        """Starts of the windows that a frame is part of."""
        low = max(0, frame - self.span + 1)
        return [s for s in range(low, frame + 1) if s in self.starts and (frame - s) % self.stride == 0]

    def frames_of(self, start: int) -> range:
        return range(start, start + self.span, self.stride)


class Picked(NamedTuple):
    """A window that was drawn, the slots in which its frames lie, and the inputs of its member if it has any."""

    member: int
    start: int
    slots: list[int]
    given: Array | None


class Policy(Protocol):
    """Picks among windows that are ready."""

    def add(self, key: Key) -> None: ...
    def ready(self, hurry: bool) -> int:
        """How many windows may be drawn now; `hurry`: never mind the threshold, waiting for more would be in vain."""
        ...

    def draw(self, rng: np.random.Generator, over: bool) -> tuple[Key, bool]:
        """The next window, and whether it leaves the buffer."""
        ...

    def evict(self, rng: np.random.Generator) -> Key | None:
        """A window to give up for room, if there is one that may go."""
        ...


policies: Registry[Callable[[int], Policy]] = Registry("buffer policy")


@policies("fifo")
class First:
    """First in, first out: every window once, in the order in which the solvers end them."""

    def __init__(self, threshold: int) -> None:
        self._line: deque[Key] = deque()

    def add(self, key: Key) -> None:
        self._line.append(key)

    def ready(self, hurry: bool) -> int:
        return len(self._line)

    def draw(self, rng: np.random.Generator, over: bool) -> tuple[Key, bool]:
        return self._line.popleft(), True

    def evict(self, rng: np.random.Generator) -> Key | None:
        return None


@policies("firo")
class Shuffled:
    """First in, random out: every window once, drawn at random once more than `threshold` wait."""

    def __init__(self, threshold: int) -> None:
        self._bag: list[Key] = []
        self._threshold = threshold

    def add(self, key: Key) -> None:
        self._bag.append(key)

    def ready(self, hurry: bool) -> int:
        return len(self._bag) if hurry else max(0, len(self._bag) - self._threshold)

    def draw(self, rng: np.random.Generator, over: bool) -> tuple[Key, bool]:
        return _pop(self._bag, rng), True

    def evict(self, rng: np.random.Generator) -> Key | None:
        return None


@policies("reservoir")
class Reservoir:
    """Drawn at random with replacement, so that a fast trainer never waits; only what was seen makes room.

    Full of unseen windows it takes no more, and the solvers wait. Once production is over a window leaves as it is
    drawn (Meyer, Schouler, Caulk, Ribés & Raffin 2023, "High throughput training of deep surrogates").
    """

    def __init__(self, threshold: int) -> None:
        self._unseen: list[Key] = []
        self._seen: list[Key] = []
        self._threshold = threshold

    def add(self, key: Key) -> None:
        self._unseen.append(key)

    def ready(self, hurry: bool) -> int:
        held = len(self._unseen) + len(self._seen)
        return held if hurry or held > self._threshold else 0

    def draw(self, rng: np.random.Generator, over: bool) -> tuple[Key, bool]:
        at = int(rng.integers(len(self._unseen) + len(self._seen)))
        bag, index = (self._unseen, at) if at < len(self._unseen) else (self._seen, at - len(self._unseen))
        if over:
            return _pop_at(bag, index), True
        if bag is self._seen:
            return bag[index], False
        key = _pop_at(bag, index)
        self._seen.append(key)
        return key, False

    def evict(self, rng: np.random.Generator) -> Key | None:
        return _pop(self._seen, rng) if self._seen else None


class Pool:
    """Frames in slots, the windows that they make, and a record of what was seen."""

    def __init__(self, plan: Plan, slots: Slots, policy: Policy, *, seed: int = 0) -> None:
        self.plan, self.slots = plan, slots
        self.over = False
        self.repeats = 0
        self.seen = np.zeros((plan.members, len(plan.starts)), bool)
        self.next: Index = np.zeros(plan.members, int)  # the frame that each member has yet to deliver
        self._policy, self._rng = policy, np.random.default_rng(seed)
        self._needing, self._span = [plan.needing(frame) for frame in range(plan.frames)], plan.span
        self._place: dict[tuple[int, int], int] = {}  # (member, frame) -> slot
        self._claims: dict[tuple[int, int], int] = {}  # windows that still need it
        self._given: dict[int, Array] = {}  # inputs of members that have frames here, or will have
        self._held: Counter[int] = Counter()  # frames here of each member

    def give(self, member: int, inputs: Array) -> None:
        """Keep the inputs `(input, *space)` of a member as long as there is a frame of it."""
        if self.next[member] < self.plan.frames:
            self._given[member] = inputs

    def put(self, member: int, frame: int, slot: int) -> None:
        """Take in a frame that lies in `slot`; one that came before, or that no window needs, frees it at once."""
        if frame != self.next[member]:
            if frame > self.next[member]:
                raise PdebenchError(f"frame {frame} of member {member} came before frame {self.next[member]}")
            self.slots.give_back(slot)
            return
        self.next[member] += 1
        wanted = [s for s in self._needing[frame] if not self.seen[member, self._column(s)]]
        if not wanted:
            self.slots.give_back(slot)
            return
        self._place[member, frame], self._claims[member, frame] = slot, len(wanted)
        self._held[member] += 1
        for start in wanted:
            if frame == start + self._span - 1:
                self._policy.add((member, start))

    def end(self, member: int) -> None:
        """No more frames come of this member: windows that it has begun and cannot finish let go of theirs."""
        reached = int(self.next[member])
        for start in self.plan.starts:
            if start + self.plan.span > reached and not self.seen[member, self._column(start)]:
                self._release(member, [f for f in self.plan.frames_of(start) if f < reached])
        self.next[member] = self.plan.frames
        if not self._held[member]:
            self._given.pop(member, None)

    def make_room(self, count: int) -> bool:
        """Whether `count` slots are free, after giving up what the policy lets go."""
        while self.slots.free < count:
            key = self._policy.evict(self._rng)
            if key is None:
                return False
            self._release(key[0], self.plan.frames_of(key[1]))
        return True

    def in_advance(self, count: int) -> list[int]:
        """Slots for frames that a solver does not have yet, if there is room: many where most are free."""
        if self.slots.free - AHEAD * count > len(self.slots.frames) // 2:
            return self.slots.take(AHEAD * count)
        return self.slots.take(count) if count and self.make_room(count) else []

    def ready(self, pressed: bool = False) -> int:
        """How many windows may be drawn; `pressed`: solvers wait for room, so no more come before some were drawn."""
        return self._policy.ready(self.over or pressed)

    def pick(self, count: int, pressed: bool = False) -> list[Picked]:
        """Up to `count` windows. Their frames stay where they are until `let_go`, which must follow."""
        picked: list[Picked] = []
        while len(picked) < count and self.ready(pressed):
            (member, start), leaves = self._policy.draw(self._rng, self.over)
            frames = [(member, f) for f in self.plan.frames_of(start)]
            if not leaves:
                for frame in frames:
                    self._claims[frame] += 1
            column = self._column(start)
            self.repeats += int(self.seen[member, column])
            self.seen[member, column] = True
            slots = [self._place[frame] for frame in frames]
            picked.append(Picked(member, start, slots, self._given.get(member)))
        return picked

    def let_go(self, picked: list[Picked]) -> None:
        """The frames of these windows were copied."""
        for one in picked:
            self._release(one.member, self.plan.frames_of(one.start))

    def forget(self, picked: list[Picked]) -> None:
        """These windows were drawn and reached nobody: another trainer may have them."""
        for one in picked:
            self.seen[one.member, self._column(one.start)] = False

    def state(self) -> dict[str, Array]:
        """What a restarted trainer needs: the windows seen, bit by bit, and the random state."""
        words = np.frombuffer(repr(self._rng.bit_generator.state).encode(), np.uint8)
        return {"seen": np.packbits(self.seen), "repeats": np.array(self.repeats), "random": words}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from `state`, before the first frame came. Raises `PdebenchError` for another campaign's."""
        from ast import literal_eval

        packed = np.packbits(self.seen)
        if state["seen"].shape != packed.shape:
            raise PdebenchError("the checkpoint is of another campaign: it counts other windows")
        self.seen = (
            np.unpackbits(state["seen"].astype(np.uint8), count=self.seen.size).reshape(self.seen.shape).astype(bool)
        )
        self.repeats = int(state["repeats"])
        self._rng.bit_generator.state = literal_eval(state["random"].tobytes().decode())

    def finished(self, member: int) -> bool:
        """Whether every window of the member was seen."""
        return bool(self.seen[member].all())

    def _column(self, start: int) -> int:
        return start // self.plan.start_every

    def _release(self, member: int, frames: range | list[int]) -> None:
        for frame in frames:
            key = (member, frame)
            self._claims[key] -= 1
            if not self._claims[key]:
                del self._claims[key]
                self.slots.give_back(self._place.pop(key))
                self._held[member] -= 1
        if not self._held[member] and self.next[member] == self.plan.frames:
            self._given.pop(member, None)


def _pop(bag: list[Key], rng: np.random.Generator) -> Key:
    return _pop_at(bag, int(rng.integers(len(bag))))


def _pop_at(bag: list[Key], index: int) -> Key:
    """Take out one element without moving the others; the order of a bag does not matter."""
    bag[index], bag[-1] = bag[-1], bag[index]
    return bag.pop()
