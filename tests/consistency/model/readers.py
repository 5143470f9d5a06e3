"""
The steps of the reader processes: POLL, RECONNECT, GET, ACQUIRE, the load, FILL, and joiners.

A read answered from PostgreSQL is always right and changes nothing, so it is no step. A read starts
when its GET runs; that is the strictest time, because an earlier start permits older values.
"""

from tests.consistency.model.moment import Moment
from tests.consistency.model.scripts import acquire, fill
from tests.consistency.model.states import (
    FRESH,
    OTHER_SHOP,
    Incarnation,
    Load,
    Read,
    Reader,
    Redis,
    State,
    Stored,
    replaced,
)


def steps_of_readers(moment: Moment) -> None:
    """Add every step that a reader process can make."""
    for index, reader in enumerate(moment.state.readers):
        _poll_or_reconnect(moment, index, reader)
        redis = moment.reached_by(reader.connection)
        if reader.read is None and redis is not None:
            _start_read(moment, index, reader, redis)
        elif reader.read is not None and reader.read.at == "got":
            _answer_hit(moment, index, reader, reader.read)
        elif reader.read is not None and reader.read.at == "asked" and redis is not None:
            _get(moment, index, reader, redis, reader.read)
        if reader.load is not None:
            _load(moment, index, reader, reader.load)


def _step(
    moment: Moment,
    index: int,
    label: str,
    reader: Reader,
    *,
    state: State | None = None,
    helps: bool = False,
    violation: str | None = None,
) -> None:
    state = moment.state if state is None else state
    state = state._replace(readers=replaced(state.readers, index, reader))
    moment.add(f"R{index} {label}", state, helps=helps, violation=violation)


def _view_is_good(moment: Moment, reader: Reader) -> bool:
    return reader.view.open and moment.agree(reader.connection, reader.view.incarnation)


def _trusts(moment: Moment, reader: Reader) -> bool:
    """TRUST; a beat is too old when it began before a foreign COMMIT of over 1 s ago."""
    if reader.beat < moment.state.matured and moment.rules.trust_needs_beat:
        return False
    return _view_is_good(moment, reader)


def _poll_or_reconnect(moment: Moment, index: int, reader: Reader) -> None:
    state = moment.state
    if reader.view != state.control or reader.beat != state.beat:
        polled = reader._replace(view=state.control, beat=state.beat)
        _step(moment, index, "POLL", polled, state=_waited_for(state, index), helps=True)
    if reader.cut or moment.agree(reader.connection, reader.view.incarnation):
        return
    address = moment.address()
    if reader.connection != address:
        read = reader.read if reader.read is None or reader.read.at != "asked" else None
        renewed = reader._replace(connection=address, read=read)
        _step(moment, index, "RECONNECT", renewed, helps=True)


def _waited_for(state: State, index: int) -> State:
    """Return the state in which no writer waits any longer for this reader's older view."""
    if not any(writer.waits_for for writer in state.writers):
        return state
    writers = tuple(
        writer._replace(waits_for=writer.waits_for - {index}) if writer.waits_for else writer
        for writer in state.writers
    )
    return state._replace(writers=writers)


def _start_read(moment: Moment, index: int, reader: Reader, redis: Redis) -> None:
    """MGET of value, generation and token, and ACQUIRE, whose HIT is the same as this GET's."""
    trusted = _trusts(moment, reader)
    if trusted or not moment.rules.trusted_before:
        asked = _started(moment, "asked")
        if moment.config.slow_gets:
            _step(moment, index, "GET sent", reader._replace(read=asked))
        else:
            _get(moment, index, reader, redis, asked)
    if trusted and reader.load is None and reader.connection is not None:
        _acquire(moment, index, reader, redis, reader.connection)


def _get(moment: Moment, index: int, reader: Reader, redis: Redis, read: Read) -> None:
    """The GET runs; a read that misses continues with ACQUIRE, or with PostgreSQL."""
    stored = redis.stored
    token = 0 if reader.connection is None else reader.connection.token
    current = stored is not None and stored.generation == redis.generation != 0
    if stored is not None and current and moment.accepts(redis, token, "GET"):
        got = read._replace(at="got", value=stored.value, epoch=stored.epoch)
        _step(moment, index, f"GET {stored.value}", reader._replace(read=got))
    elif moment.config.slow_gets:
        _step(moment, index, "GET misses", reader._replace(read=None))


def _started(moment: Moment, at: str) -> Read:
    state = moment.state
    return Read(state.acknowledged, state.visible, state.matured, at, 0, 0)


def _acquire(
    moment: Moment, index: int, reader: Reader, redis: Redis, connection: Incarnation
) -> None:
    view, stored = reader.view, redis.stored
    is_hit = (
        stored is not None
        and stored.generation == redis.generation != 0
        and stored.epoch == view.epoch
    )
    if is_hit or not moment.accepts(redis, connection.token, "ACQUIRE"):
        return
    leased = acquire(moment, redis)
    if leased is None:
        return
    load = Load("reading", FRESH, view.epoch, leased.generation, connection, 0, view.seq)
    state = moment.with_server(leased)
    _step(moment, index, "ACQUIRE gives LEASE", reader._replace(load=load), state=state)


def _answer_hit(moment: Moment, index: int, reader: Reader, read: Read) -> None:
    free = reader._replace(read=None)
    trusted = not moment.rules.trusted_after or _trusts(moment, reader)
    if trusted and read.epoch == reader.view.epoch:
        violation = _violated(read, read.value)
        _step(moment, index, f"HIT {read.value}", free, violation=violation)
    else:
        _step(moment, index, "does not trust its hit", free)


def _violated(read: Read, value: int) -> str | None:
    """Return the promise that an answer with this value breaks."""
    if value == OTHER_SHOP:
        return "SHOP"
    if value < read.acknowledged:
        return "G1"
    if value < read.matured:
        return "G1F"
    return "L1" if value < read.visible else None


def _load(moment: Moment, index: int, reader: Reader, load: Load) -> None:
    joined = reader.read is not None and reader.read.at == "joined"
    if load.at == "reading":
        value = moment.state.value
        read = reader._replace(load=load._replace(at="read", value=value))
        _step(moment, index, f"reads {value} from the database, answers", read)
    if load.at in {"read", "sent"} and reader.read is None and _may_join(moment, reader):
        joining = reader._replace(read=_started(moment, "joined"))
        _step(moment, index, "JOIN", joining)
    if load.at == "read" and (_may_fill(moment, reader, load)):
        _send_fill(moment, index, reader, load)
    if load.at == "sent":
        _fill(moment, index, reader, load, joined=joined)
    if load.at != "filled":
        rest = reader._replace(load=None, read=None if joined else reader.read)
        _step(moment, index, "drops its load", rest, helps=True)
    if joined and reader.read is not None:
        _answer_joiner(moment, index, reader, load, reader.read)


def _may_join(moment: Moment, reader: Reader) -> bool:
    """A beat may expire and return under the same `seq`, so a joiner tests trust before and after."""
    return _trusts(moment, reader) or not moment.rules.joiner_trusts_before


def _may_fill(moment: Moment, reader: Reader, load: Load) -> bool:
    if not moment.rules.fill_compares_view:
        return True
    return (
        reader.connection == load.connection
        and reader.view.epoch == load.epoch
        and _view_is_good(moment, reader)
    )


def _send_fill(moment: Moment, index: int, reader: Reader, load: Load) -> None:
    if not moment.rules.fill_keeps_tag:
        load = load._replace(epoch=reader.view.epoch)
    if not moment.rules.fill_compares_view and reader.connection is not None:
        load = load._replace(connection=reader.connection)
    _step(moment, index, "FILL sent", reader._replace(load=load._replace(at="sent")))


def _fill(moment: Moment, index: int, reader: Reader, load: Load, *, joined: bool) -> None:
    redis = moment.reached_by(load.connection)
    if redis is None:
        return
    stored = Stored(load.value, load.epoch, load.generation)
    token = load.connection.token
    filled = fill(moment, redis, lease=load.lease, token=token, stored=stored)
    if filled is None:
        return
    rest = reader._replace(load=load._replace(at="filled") if joined else None)
    _step(moment, index, f"FILL {load.value}", rest, state=moment.with_server(filled))


def _answer_joiner(moment: Moment, index: int, reader: Reader, load: Load, read: Read) -> None:
    """Hand the load's result to the read that joined it, once the FILL was answered."""
    answer, violation = f"joiner answers {load.value}", _violated(read, load.value)
    if load.at in {"read", "sent"} and not moment.rules.joiner_waits_for_fill:
        _step(moment, index, answer, reader._replace(read=None), violation=violation)
    if load.at != "filled":
        return
    free = reader._replace(read=None, load=None)
    if _joiner_trusts(moment, reader, load):
        _step(moment, index, answer, free, violation=violation)
    else:
        _step(moment, index, "joiner loads itself", free, helps=True)


def _joiner_trusts(moment: Moment, reader: Reader, load: Load) -> bool:
    if not moment.rules.joiner_trusts_after:
        return True
    if moment.rules.joiner_compares_seq and reader.view.seq != load.seq:
        return False
    return _trusts(moment, reader) and reader.view.epoch == load.epoch
