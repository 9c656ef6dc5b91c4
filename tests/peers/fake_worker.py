"""A worker without a model: it counts, and its frames say whose they are. For what the server does, however pictures come about."""

import asyncio
import time

from ildm.session.commands import Cancel, Pause, Resume, SetNumSteps, SetPrompt, StepOnce
from ildm.session.envelope import Envelope, Kind
from ildm.session.events import CommandApplied, ExecutionShape, RunFinished, RunPaused, RunResumed, SessionOpened, StepCompleted
from ildm.session.service.messages import (
    CloseSession,
    DrawPicture,
    DrawThumbnail,
    DrawWord,
    Framed,
    Happened,
    ListModels,
    Moved,
    OpenSession,
    Seen,
    Submit,
)
from ildm.session.settings import Settings
from ildm.session.view import BranchView, NodeView, Place, SessionView, Tree
from ildm.studio.refusals import Refused
from ildm.studio.worker import Reply

HASH = "0" * 64


class FakeWorker:
    """Every session makes a step, and a frame of so many bytes, every `interval` seconds."""

    def __init__(self, interval=0.01, frame_bytes=2000):
        self.interval, self.frame_bytes = interval, frame_bytes
        self.is_ready, self.problem, self.restarts = False, None, 0
        self.sessions = {}
        self.asked = []
        self._tasks = set()

    async def start(self, listener):
        self.listener = listener
        self.is_ready = True
        listener.ready()

    async def stop(self):
        self.is_ready = False
        for task in self._tasks:
            task.cancel()

    async def ask(self, request):
        self.asked.append(request)
        await asyncio.sleep(0)
        match request:
            case OpenSession():
                settings = Settings(
                    prompt=request.opening.prompt,
                    num_steps=request.opening.num_steps or 20,
                    guidance_scale=2.0,
                    sampler="euler",
                    seed=request.opening.seed or 1,
                    width=64,
                    height=64,
                )
                if settings.prompt == "cannot begin":
                    raise Refused("bad-value", "This cannot begin.")
                session = FakeSession(self, request.session, settings)
                self.sessions[request.session] = session
                session.tell_seen()
                if not request.opening.paused:
                    session.apply(Resume())
                return Reply(None)
            case Submit(session=session, op=op, command=command):
                self.sessions[session].inbox.append((op, command))
                self.sessions[session].wake()
                return Reply(None)
            case CloseSession(session=session):
                self.sessions.pop(session).stop()
                return Reply(None)
            case DrawPicture(session=session, node=node):
                if node is not None and node > self.sessions[session].step:
                    raise Refused("bad-value", f"This session has no state {node}.")
                return Reply({"node": node}, b"picture of " + session.encode())
            case DrawWord():
                raise Refused("unsupported", "Nobody draws here, so no word acts anywhere.")
            case DrawThumbnail():
                raise Refused("not-found", "Pictures that count do not get smaller.")
            case ListModels():
                return Reply([{"id": "fake"}])
            case _:
                self.sessions[request.session].tell_seen()
                return Reply(None)

    def lose(self):
        """Die, and be there again at once, without the last event of each session."""
        self.is_ready = False
        self.restarts += 1
        for session in self.sessions.values():
            session.stop()
            del session.events[-1:]
        self.listener.lost()
        self.is_ready = True
        self.listener.ready()

    def run(self, work):
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class FakeSession:
    def __init__(self, worker, session_id, settings):
        self.worker, self.id, self.settings = worker, session_id, settings
        self.step, self.rev, self.status = 0, 0, "paused"
        self.inbox, self.events = [], []
        self.frames = 0
        self._wake = asyncio.Event()
        shape = ExecutionShape(device="cpu", dtype="float32", threads=1, torch="none")
        self.log(SessionOpened, model="fake", model_hash=HASH, settings=settings, shape=shape, told=False)
        self.task = worker.run(self.live())

    def wake(self):
        self._wake.set()

    def stop(self):
        self.task.cancel()

    async def live(self):
        while True:
            for op, command in self.inbox:
                self.apply(command, op)
            self.inbox.clear()
            if self.status != "running":
                await self._wake.wait()
                self._wake.clear()
                continue
            await asyncio.sleep(self.worker.interval)
            self.make_step()

    def make_step(self):
        self.step += 1
        self.log(
            StepCompleted, node=self.step, parent=self.step - 1, branch=0, step=self.step, num_steps=self.settings.num_steps
        )
        self.frames += 1
        framed = Framed(session=self.id, node=self.step, width=64, height=64, at=time.time())
        picture = self.id.encode().ljust(self.worker.frame_bytes, b".")
        self.worker.listener.told(Envelope(Kind.FRAME, framed.model_dump(), picture))
        if self.step >= self.settings.num_steps:
            self.log(RunFinished, node=self.step, branch=0, latent_hash=HASH, image_hash=HASH)
            self.status = "finished"
            self.tell_place()

    def apply(self, command, op=None):
        op = sum(isinstance(event, CommandApplied) for event in self.events) if op is None else op
        self.rev += 1
        self.log(CommandApplied, op=op, command=command, received_step=self.step, applied_step=self.step, node=self.step)
        match command:
            case Pause() | Cancel():
                self.status = "paused"
                self.log(RunPaused)
            case Resume() | StepOnce():
                self.status = "running"
                self.log(RunResumed)
            case SetPrompt(text=text):
                self.settings = self.settings.model_copy(update={"prompt": text})
            case SetNumSteps(num_steps=num_steps):
                self.settings = self.settings.model_copy(update={"num_steps": num_steps})
            case _:
                pass
        self.tell_place()

    def log(self, kind, told=True, **fields):
        event = kind(seq=len(self.events), at=time.time(), **fields)
        self.events.append(event)
        if told:
            self.tell(Happened(session=self.id, event=event.model_dump()))

    @property
    def place(self):
        return Place(
            status=self.status,
            seq=len(self.events),
            rev=self.rev,
            node=self.step,
            branch=0,
            step=self.step,
            settings=self.settings,
        )

    @property
    def tree(self):
        nodes = tuple(
            NodeView(id=number, parent=number - 1 if number else None, step=number) for number in range(self.step + 1)
        )
        return Tree(nodes=nodes, branches=(BranchView(id=0, tip=self.step),))

    def tell_place(self):
        self.tell(Moved(session=self.id, place=self.place))

    def tell_seen(self):
        view = SessionView(session=self.id, model="fake", place=self.place, tree=self.tree)
        self.tell(Seen(view=view, events=[event.model_dump() for event in self.events]))
        if self.task.cancelled() or self.task.done():
            self.task = self.worker.run(self.live())

    def tell(self, message):
        # packed and unpacked, as between processes: tuples become lists
        from ildm.session.envelope import unpack

        self.worker.listener.told(unpack(Envelope(Kind.EVENT, message.model_dump()).pack()))
