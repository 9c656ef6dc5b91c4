"""Answers what is asked of an engine's process, and tells what happens in its sessions."""

from __future__ import annotations

import io
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL.Image import Image

from ildm.core.errors import ConfigError, IldmError, MissingError, ProtocolError, StorageError
from ildm.session.commands import Resume
from ildm.session.defaults import settings_for
from ildm.session.engine import Engine
from ildm.session.envelope import Envelope, Kind
from ildm.session.files import save_picture
from ildm.session.frames import Frame
from ildm.session.mask_pictures import png_of_mask
from ildm.session.refusals import NotNow, Unsupported
from ildm.session.service.beginning import first_commands, have_act
from ildm.session.service.catalogue import list_models, without_places
from ildm.session.service.channel import Channel
from ildm.session.service.engines import Engines
from ildm.session.service.messages import (
    Answer,
    CloseSession,
    DrawPicture,
    DrawThumbnail,
    DrawWord,
    Framed,
    ListModels,
    OpenSession,
    Problem,
    ProblemCode,
    Ready,
    Request,
    ResumeSession,
    Stop,
    Submit,
)
from ildm.session.service.watching import Watch
from ildm.session.store import Store
from ildm.session.wire import adapter

ANSWERERS = 4
_logger = logging.getLogger(__name__)
_Answered = tuple[Any, bytes]


class Host:
    """An engine's process, seen from inside.

    Args:
        channel: to whoever asks.
        store: where sessions are kept.
        model: loaded before anything else.
        engine_options: of `Engines`.
    """

    def __init__(self, channel: Channel, store: Store, model: str, **engine_options: Any) -> None:
        self._channel, self._store, self._model = channel, store, model
        self.engines = Engines(store, self._show, **engine_options)
        self._answerers = ThreadPoolExecutor(ANSWERERS, thread_name_prefix="ildm-answers")
        self._watches: dict[str, Watch] = {}
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Answer until asked to stop, or until the other side is gone. Nothing that was made is lost either way."""
        self._answerers.submit(self._get_ready)
        stopping: int | None = None
        for message in self._channel:
            number, request = self._read(message)
            if isinstance(request, Stop):
                stopping = number
                break
            if isinstance(request, Submit):
                # in the order they come, and it takes no time
                self._answer(number, request)
            else:
                self._answerers.submit(self._answer, number, request)
        self._answerers.shutdown(wait=True, cancel_futures=True)
        self.engines.close()
        self._store.close()
        if stopping is not None:
            self._tell(Answer(request=stopping))
        self._channel.close()

    def _get_ready(self) -> None:
        began = time.perf_counter()
        try:
            engine = self.engines.of_model(self._model)
        except Exception as error:
            if not isinstance(error, IldmError):
                _logger.exception("The model cannot be loaded.")
            text = without_places(str(error)) or type(error).__name__
            self._tell(Answer(request=0, problem=Problem(code="bad-value", text=text)))
            return
        device = engine.model.device.type
        self._tell(Ready(model=self._model, device=device, seconds=time.perf_counter() - began))

    # --- answers ---------------------------------------------------------------------------------------------------------

    def _read(self, message: Envelope) -> tuple[int, Any]:
        fields = dict(message.header)
        number = fields.pop("request", None)
        if not isinstance(number, int):
            raise ProtocolError("A request has a number.")
        return number, adapter(Request).validate_python(fields)

    def _answer(self, number: int, request: Any) -> None:
        value, payload, problem = None, b"", None
        try:
            value, payload = self._carry_out(request)
        except IldmError as error:
            problem = Problem(code=_code_of(error), text=without_places(str(error)))
        except Exception as error:
            _logger.exception("A request failed: %s", type(request).__name__)
            problem = Problem(code="failed", text=f"This cannot be done now ({error or type(error).__name__}).")
        self._tell(Answer(request=number, problem=problem, value=value), payload)

    def _carry_out(self, request: Any) -> _Answered:
        match request:
            case OpenSession():
                self._open(request)
                return None, b""
            case ResumeSession(session=session, status=status):
                stored = self._store.load(session)
                try:
                    engine = self._engine(session, stored.opened.model)
                except MissingError as error:
                    # the session is there: it is its model that is not
                    raise Unsupported(str(error)) from error
                events = self._store.events(session, last=stored.last_seq)
                self._unless_released(session, lambda: engine.resume(session, stored, events, status=status).result())
                self._attach(session, engine)
                return None, b""
            case CloseSession(session=session, keep=keep):
                self._detach(session, keep=keep)
                return None, b""
            case Submit(session=session, op=op, command=command):
                self.engines.of_session(session).submit(session, command, op)
                return None, b""
            case DrawPicture():
                return self._draw(request)
            case DrawThumbnail(session=session, node=node):
                if self.engines.has(session):
                    data, number = self.engines.jpeg_of(session, node)
                else:
                    data, number = self.engines.glance(self._store.load(session), node)
                return {"node": number}, data
            case DrawWord():
                return self._draw_word(request)
            case ListModels():
                return list_models(), b""
            case _:
                raise ConfigError(f"{type(request).__name__} is not understood here.")

    def _open(self, request: OpenSession) -> None:
        opening, session = request.opening, request.session
        engine = self._engine(session, request.model)

        def begin() -> None:
            names = ("prompt", "negative_prompt", "num_steps", "guidance_scale", "sampler", "seed", "width", "height")
            settings = settings_for(engine.model, **{name: getattr(opening, name) for name in names})
            engine.open(settings, session, paused=True).result()
            self._store.give(session, request.owner).result()
            try:
                have_act(engine, session, first_commands(opening))
            except BaseException:
                # a session that is not what was asked for is none
                engine.close_session(session, keep=False).result()
                self._store.delete(session)
                raise

        self._unless_released(session, begin)
        self._attach(session, engine)
        if not opening.paused:
            have_act(engine, session, [Resume()])

    def _engine(self, session: str, model: str) -> Engine:
        with self._lock:
            known = self._watches.get(session)
        if known is not None:
            return known.engine
        self.engines.assign(session, model)
        return self._unless_released(session, lambda: self.engines.of_model(model))

    def _unless_released(self, session: str, work: Callable[[], Any]) -> Any:
        """Do something for a session; when it fails and the session has not been open before, it uses its model no more."""
        try:
            return work()
        except BaseException:
            with self._lock:
                is_open = session in self._watches
            if not is_open:
                self.engines.release(session)
            raise

    def _attach(self, session: str, engine: Engine) -> None:
        """Tell of a session from now on."""
        with self._lock:
            known = self._watches.get(session)
            watch = known or Watch(session, engine, self._channel.send, self._finished)
            self._watches[session] = watch
        watch.begin()

    def _detach(self, session: str, *, keep: bool) -> None:
        with self._lock:
            watch = self._watches.get(session)
        if watch is not None:
            watch.engine.close_session(session, keep=keep).result()
            with self._lock:
                del self._watches[session]
            self.engines.release(session)

    def _draw(self, request: DrawPicture) -> _Answered:
        session, node = request.session, request.node
        if request.form == "jpeg":
            data, number = self.engines.jpeg_of(session, node)
            return {"node": number}, data
        engine = self.engines.of_session(session)

        def look() -> Any:
            logged = engine.session(session).logged
            number = logged.cursor.position.node if node is None else node
            if request.form == "png":
                return logged.run.picture(number), number
            if number != logged.cursor.position.node:
                raise NotNow("A picture brings its session along as it stands: open that state first.")
            with tempfile.TemporaryDirectory(prefix="ildm-") as folder:
                path = Path(folder) / "picture.png"
                save_picture(logged, path)
                return path.read_bytes(), number

        made, number = engine.on_thread(look).result()
        return {"node": number}, made if isinstance(made, bytes) else _png(made)

    def _draw_word(self, request: DrawWord) -> _Answered:
        engine = self.engines.of_session(request.session)

        def look() -> Any:
            cursor = engine.session(request.session).logged.cursor
            stands = cursor.position.node
            number = stands if request.node is None else request.node
            # where it stands people look at the prompt that they have just written, elsewhere at the one that was in force
            settings = cursor.settings if number == stands else cursor.run.timeline.node(number).settings
            return cursor.run.steering, cursor.run.state(number), settings, number

        steering, state, settings, number = engine.on_thread(look).result()
        heat = engine.beside(lambda: steering.heat(request.word, state, settings)).result()
        return {"node": number}, png_of_mask(heat)

    def _finished(self, session: str, engine: Engine, node: int, draw: Callable[[], Image]) -> None:
        """Keep a finished picture beside its session, once its last state is on the disk."""
        try:
            picture = engine.on_thread(draw).result()
            self._store.append(session, images={node: _png(picture)})
        except IldmError as error:
            _logger.warning("The picture of state %d of session %s is not kept: %s", node, session, error)

    # --- telling ---------------------------------------------------------------------------------------------------------

    def _tell(self, message: Any, payload: bytes = b"") -> None:
        self._channel.send(Envelope(Kind.EVENT, message.model_dump(), payload))

    def _show(self, frame: Frame) -> None:
        told = Framed(
            session=frame.session_id,
            node=frame.node,
            width=frame.width,
            height=frame.height,
            at=time.time(),
            dropped=self.engines.dropped,
        )
        self._channel.send_newest(frame.session_id, Envelope(Kind.FRAME, told.model_dump(), frame.data))


def _png(picture: Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def _code_of(error: IldmError) -> ProblemCode:
    if isinstance(error, NotNow):
        return "not-now"
    if isinstance(error, Unsupported):
        return "unsupported"
    if isinstance(error, StorageError):
        return "failed"
    return "not-found" if isinstance(error, MissingError) else "bad-value"
