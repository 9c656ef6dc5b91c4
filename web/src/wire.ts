// Written by tools/wire_types.py from ildm.studio.messages: change that, and run `make docs`.

export const FRAME_CREDIT = 2;
export const EVENT_CREDIT = 256;

/** All events up to `seq`, and all frames up to number `frame`, have been dealt with. */
export interface Ack {
  type: "ack";
  seq?: number | null;
  frame?: number | null;
}

/** Bind a prompt to an area. The region's own mask is None; `mask` is it. */
export interface AddRegion {
  version?: 1;
  kind: "add-region";
  region: Region;
  mask?: Mask | null;
}

/**
 * Bind a prompt to where a word of a prompt is, as the network sees it a step or more into the run.
 *
 * Args:
 *     word: one of the picture's prompt, or a few that stand together in it.
 *     region: its own mask is None, and where it has no prompt that is the word.
 *     mask: where the word is, once that is known; None = to be found out, which a live run does beside its steps.
 */
export interface AddRegionFromWord {
  version?: 1;
  kind: "add-region-from-word";
  word: string;
  region: Region;
  mask?: Mask | null;
}

/** Name a state (`NameNode`) or a branch (`NameBranch`); one of the two is given. */
export interface Annotate {
  op: number;
  type: "annotate";
  node?: number | null;
  branch?: number | null;
  name?: string | null;
}

/** Begin another future at a step of this branch, and go there. `step` None = here. */
export interface BranchOff {
  version?: 1;
  kind: "branch-off";
  step?: number | null;
  name?: string | null;
}

/** `BranchOff`. */
export interface BranchRun {
  op: number;
  type: "branch";
  step?: number | null;
  name?: string | null;
}

/** A way through the tree: see `ildm.session.timeline.Branch`. */
export interface BranchView {
  id: number;
  tip: number;
  name?: string | null;
}

/** The server closes this connection, and why. */
export interface Bye {
  type: "bye";
  reason: string;
}

/** End the run where it is; all that was made stays. */
export interface Cancel {
  version?: 1;
  kind: "cancel";
}

/** `Cancel`. */
export interface CancelRun {
  op: number;
  type: "cancel";
}

/** Replace a region's fields but its mask. */
export interface ChangeRegion {
  version?: 1;
  kind: "change-region";
  region: Region;
}

/** One cell of a comparison; None = as it is. With a seed it begins anew from noise, wherever the others go on from. */
export interface Choice {
  version?: 1;
  kind: "choice";
  prompt?: string | null;
  negative_prompt?: string | null;
  guidance_scale?: number | null;
  sampler?: string | null;
  num_steps?: number | null;
  seed?: number | null;
}

export type ClientMessage = Hello | StartSession | Edit | MaskStroke | PauseRun | ResumeRun | StepRun | CancelRun | RewindRun | BranchRun | Rate | Annotate | Ack;

/**
 * A command acts from here on.
 *
 * Args:
 *     op: the number under which it was sent.
 *     received_step, applied_step: how many steps were done when it came and when it took effect.
 *     node: the state at which it took effect.
 *     left: the settings in force after it, where it is one of `LEADS_ELSEWHERE`; None for all others, which say what they change, and
 *         in logs from before this was told. Nothing is made by it: it is for readers that have no tree.
 */
export interface CommandApplied {
  version?: 1;
  seq: number;
  at?: number;
  cursor?: number;
  kind: "command-applied";
  op: number;
  command: SetPrompt | SetNegativePrompt | SetGuidance | SetSampler | SetNumSteps | Pause | Resume | StepOnce | Cancel | Rewind | OpenNode | OpenBranch | BranchOff | NameNode | NameBranch | DeleteBranch | Undo | Redo | StartOver | StartFromImage | ShowImage | LockArea | ReleaseArea | RedoArea | LikeArea | DislikeArea | ForgetFeedback | Compare | SetPreviewRate | AddRegion | AddRegionFromWord | ChangeRegion | RemoveRegion | ReorderRegions | ReplaceRegions | PaintRegion | SetRegionRules;
  received_step: number;
  applied_step: number;
  node: number;
  left?: Settings | null;
}

/** A command does not act, and why. */
export interface CommandRejected {
  version?: 1;
  seq: number;
  at?: number;
  cursor?: number;
  kind: "command-rejected";
  op: number;
  code: "bad-value" | "not-now" | "superseded" | "unsupported" | "failed";
  text: string;
}

/** Finish several futures of one state, a branch for each choice. `step` None = here. */
export interface Compare {
  version?: 1;
  kind: "compare";
  choices: Choice[];
  step?: number | null;
}

/** This cursor is no more, and nothing of the tree is held for it: where the tree was made it had a session of its own. */
export interface CursorLeft {
  version?: 1;
  seq: number;
  at?: number;
  cursor?: number;
  kind: "cursor-left";
}

/** The run stands elsewhere: after a rewind, a branch, an undo, or when a new cursor begins. */
export interface CursorMoved {
  version?: 1;
  seq: number;
  at?: number;
  cursor?: number;
  kind: "cursor-moved";
  node: number;
  branch: number;
  step: number;
}

/** Forget a branch, and the states that no other branch needs. */
export interface DeleteBranch {
  version?: 1;
  kind: "delete-branch";
  branch: number;
}

/** Something else: an area is made anew from the first third of the steps on; the whole picture (None) goes back to there. */
export interface DislikeArea {
  version?: 1;
  kind: "dislike-area";
  area?: Mask | null;
  strength?: number;
}

/**
 * Have any command act.
 *
 * Args:
 *     session: the one that is meant; where another is followed by then, the edit is refused. None = whichever is followed.
 *     base_rev: the revision that the person saw; where somebody else has changed the same thing since, the edit is refused as "stale".
 *         None = whatever has happened.
 */
export interface Edit {
  op: number;
  type: "edit";
  session?: string | null;
  base_rev?: number | null;
  set: SetPrompt | SetNegativePrompt | SetGuidance | SetSampler | SetNumSteps | Pause | Resume | StepOnce | Cancel | Rewind | OpenNode | OpenBranch | BranchOff | NameNode | NameBranch | DeleteBranch | Undo | Redo | StartOver | StartFromImage | ShowImage | LockArea | ReleaseArea | RedoArea | LikeArea | DislikeArea | ForgetFeedback | Compare | SetPreviewRate | AddRegion | AddRegionFromWord | ChangeRegion | RemoveRegion | ReorderRegions | ReplaceRegions | PaintRegion | SetRegionRules;
}

/** What a bit-exact repetition needs to be the same: rounding depends on it. */
export interface ExecutionShape {
  device: string;
  dtype: string;
  threads: number;
  torch: string;
  compiled?: boolean;
  ildm?: string;
}

/** Something that this client asked for cannot be done (`op`), or something has happened to the server. */
export interface Failure {
  type: "error";
  code: "bad-value" | "bad-message" | "not-found" | "not-now" | "unsupported" | "stale" | "busy" | "too-large" | "wrong-type" | "forbidden" | "no-access" | "worker-lost" | "not-ready" | "failed";
  text: string;
  op?: number | null;
}

/**
 * A picture, or an area of one, that was liked or disliked.
 *
 * Args:
 *     source: its latent, normalised.
 *     area: mask of where it was, and where it acts; None = everywhere.
 *     strength: 1 = as strong as the picture's own content.
 */
export interface Feedback {
  liked: boolean;
  source: string;
  area?: string | null;
  strength?: number;
}

/** Take all likes and dislikes back. */
export interface ForgetFeedback {
  version?: 1;
  kind: "forget-feedback";
}

/**
 * A picture of a state; the payload is its file.
 *
 * Args:
 *     number: to be acknowledged, from 1.
 *     step, branch, rev: of the state.
 *     at: when it was made, seconds since 1970.
 */
export interface FrameHeader {
  type: "frame";
  number: number;
  session: string;
  node: number;
  step: number;
  branch: number;
  rev: number;
  format?: "jpeg";
  width: number;
  height: number;
  at: number;
}

/**
 * The first message, and again to look at another session.
 *
 * Args:
 *     session: the one to follow; None = none yet.
 *     epoch, last_seq: of the `welcome` and the last event that this client has, so that it gets the later ones.
 */
export interface Hello {
  type: "hello";
  client: string;
  session?: string | null;
  epoch?: string | null;
  last_seq?: number | null;
}

/**
 * A known latent that later steps hold on to (differential diffusion, Levin & Fried 2023).
 *
 * Before step i of N, where `i / N < 1 - change`, the latent becomes the source, noised to that step's level; once all steps are done,
 * the source itself is written wherever `change` is 0. Where N is changed on the way, i / N is the share of the run that is done.
 *
 * Args:
 *     source: the latent held, normalised.
 *     change: mask, 255 = free to change, 0 = kept to the end.
 *     seed: of the noise that the source gets at every step, always the same; or
 *     noise: that noise itself, a latent.
 *     until: the step before which it still acts, and nothing is written at the end; None = to the end.
 *     locked: whether a person locked it; then a new start from noise keeps it.
 */
export interface Hold {
  source: string;
  change: string;
  seed?: number | null;
  noise?: string | null;
  until?: number | null;
  locked?: boolean;
}

/** More like this; None = the whole picture. */
export interface LikeArea {
  version?: 1;
  kind: "like-area";
  area?: Mask | null;
  strength?: number;
}

/** Keep an area as it is now, bit for bit to the end. Over a finished picture: in all that is made of it from here on. */
export interface LockArea {
  version?: 1;
  kind: "lock-area";
  area: Mask;
}

/** A low-rank adapter at work, by the name under which the model has it at hand; a negative strength acts the other way round. */
export interface Lora {
  name: string;
  strength?: number;
}

/**
 * A soft mask, one byte per pixel, 255 = fully inside. It may have any size; it is fitted to the picture by area averaging.
 *
 * Args:
 *     width, height: in pixels.
 *     data: the rows from the top, deflated (zlib).
 */
export interface Mask {
  width: number;
  height: number;
  data: Uint8Array;
}

/**
 * Paint into a region's mask, or erase. The payload is the patch's rows, one byte a pixel, deflated (zlib).
 *
 * Args:
 *     session: see `Edit`.
 *     stroke: see `ildm.session.commands.PaintRegion`.
 */
export interface MaskStroke {
  op: number;
  type: "mask";
  session?: string | null;
  region: string;
  left: number;
  top: number;
  width: number;
  height: number;
  erase?: boolean;
  stroke?: number | null;
}

/** Where the session stands after `place.seq` events, when that is not what its steps come to; `tree` when it has not only grown. */
export interface MovedTo {
  type: "moved";
  place: Place;
  tree?: Tree | null;
}

/** Give a branch a name; None takes it away. */
export interface NameBranch {
  version?: 1;
  kind: "name-branch";
  branch: number;
  name: string | null;
}

/** Give a state a name; None takes it away. */
export interface NameNode {
  version?: 1;
  kind: "name-node";
  node: number;
  name: string | null;
}

/** A state: see `ildm.session.timeline.Node`. */
export interface NodeView {
  id: number;
  parent: number | null;
  step: number;
  origin?: "start" | "step";
  name?: string | null;
}

/** Go to the last state of a branch. */
export interface OpenBranch {
  version?: 1;
  kind: "open-branch";
  branch: number;
}

/** Go to any state of the tree. */
export interface OpenNode {
  version?: 1;
  kind: "open-node";
  node: number;
}

/**
 * How a session begins; None = as the model has it by default.
 *
 * Args:
 *     model: one of those that are known by name.
 *     regions: what is painted before the first step.
 *     image: where the run starts instead of from noise; `strength` and `change_map` as in `StartFromImage`.
 *     paused: whether it waits for `resume` or `step-once` before its first step.
 */
export interface Opening {
  model?: string | null;
  prompt?: string;
  negative_prompt?: string;
  num_steps?: number | null;
  guidance_scale?: number | null;
  sampler?: string | null;
  seed?: number | null;
  width?: number | null;
  height?: number | null;
  regions?: ReplaceRegions | null;
  image?: Uint8Array | null;
  strength?: number;
  change_map?: Mask | null;
  paused?: boolean;
}

/**
 * Paint into a region's mask, or erase: a patch whose upper left corner lies at (left, top) pixels of the picture.
 *
 * Args:
 *     stroke: a number that patches share which come one after another and are one change: an undo takes them back together.
 */
export interface PaintRegion {
  version?: 1;
  kind: "paint-region";
  id: string;
  patch: Mask;
  left?: number;
  top?: number;
  erase?: boolean;
  stroke?: number | null;
}

/** Stop after the step in flight. */
export interface Pause {
  version?: 1;
  kind: "pause";
}

/** See `ildm.session.commands.Pause`; the following likewise. */
export interface PauseRun {
  op: number;
  type: "pause";
}

/**
 * Where a session stands.
 *
 * Args:
 *     status: "running" makes steps by itself.
 *     seq: how many events there have been: this view is what they come to.
 *     rev: how many commands have acted.
 *     node, branch, step: the state, the branch it is on, and how many steps are done.
 *     settings: in force for the next step.
 *     can_undo, can_redo: whether there is something to take back.
 */
export interface Place {
  status: "running" | "paused" | "finished" | "cancelled" | "failed";
  seq: number;
  rev: number;
  node: number;
  branch: number;
  step: number;
  settings: Settings;
  can_undo?: boolean;
  can_redo?: boolean;
}

/** A region and where it is; the region's own mask is None. */
export interface Placed {
  region: Region;
  mask?: Mask | null;
}

/** `SetPreviewRate`. */
export interface Rate {
  op: number;
  type: "rate";
  every: number;
}

/** Take the last undo back. */
export interface Redo {
  version?: 1;
  kind: "redo";
}

/**
 * Make an area anew, on a branch of its own.
 *
 * Args:
 *     strength: how far back in the run the area goes: 1 = to noise.
 *     seed: of the new content; None = the former one plus one.
 */
export interface RedoArea {
  version?: 1;
  kind: "redo-area";
  area: Mask;
  strength?: number;
  seed?: number | null;
}

/**
 * A painted area with a prompt of its own.
 *
 * Args:
 *     id: its name in messages.
 *     prompt, negative_prompt: empty ones = the run's.
 *     mask: soft mask; None = nowhere yet.
 *     strength: how much of the guidance acts here.
 *     base_ratio: how much of the base prompt is mixed in.
 *     guidance_scale, seed: None = the run's. Beside `initial_noise` a seed acts on the noise of steps alone.
 *     window: steps [start, stop), counted from 0, in which it acts; None = all.
 *     loras: adapters that act here beside the model's, in the mode "latent".
 */
export interface Region {
  id: string;
  name?: string;
  prompt?: string;
  negative_prompt?: string;
  mask?: string | null;
  strength?: number;
  base_ratio?: number;
  guidance_scale?: number | null;
  seed?: number | null;
  window?: [number, number] | null;
  loras?: Lora[];
}

/** Let an area go again; None = all that is held, whether it was locked, redone beside or started from. */
export interface ReleaseArea {
  version?: 1;
  kind: "release-area";
  area?: Mask | null;
}

/** Let a region go. */
export interface RemoveRegion {
  version?: 1;
  kind: "remove-region";
  id: string;
}

/** Bring the regions into this order, the uppermost last. Every region is named once. */
export interface ReorderRegions {
  version?: 1;
  kind: "reorder-regions";
  ids: string[];
}

/**
 * Let all regions go and put others in their place, as a preset does; None = as it is.
 *
 * Args:
 *     regions: the uppermost last.
 *     prompt, negative_prompt: of the whole picture.
 *     mode, overlap, common_prompt: see `SetRegionRules`.
 */
export interface ReplaceRegions {
  version?: 1;
  kind: "replace-regions";
  regions: Placed[];
  prompt?: string | null;
  negative_prompt?: string | null;
  mode?: "attention" | "latent" | null;
  overlap?: "normalise" | "add" | "z-order" | null;
  common_prompt?: string | null;
}

/** Go on. */
export interface Resume {
  version?: 1;
  kind: "resume";
}

/** `Resume`. */
export interface ResumeRun {
  op: number;
  type: "resume";
}

/**
 * Go to the state after `step` steps of this branch, back or forth. Without a change the run then repeats itself exactly.
 *
 * What was changed, locked or judged over the finished picture goes along, on a branch of its own.
 */
export interface Rewind {
  version?: 1;
  kind: "rewind";
  step: number;
}

/** `Rewind`. */
export interface RewindRun {
  op: number;
  type: "rewind";
  step: number;
}

/** The run ended before its last step, as asked. */
export interface RunCancelled {
  version?: 1;
  seq: number;
  at?: number;
  cursor?: number;
  kind: "run-cancelled";
}

/** This run cannot go on; others can. */
export interface RunFailed {
  version?: 1;
  seq: number;
  at?: number;
  cursor?: number;
  kind: "run-failed";
  text: string;
}

/** A branch has made all its steps. `latent_hash` is of the final latent's bytes, `image_hash` of the picture's RGB rows. */
export interface RunFinished {
  version?: 1;
  seq: number;
  at?: number;
  cursor?: number;
  kind: "run-finished";
  node: number;
  branch: number;
  latent_hash: string;
  image_hash: string;
}

/** No step is made until `resume`. `reason` where it was not asked for. */
export interface RunPaused {
  version?: 1;
  seq: number;
  at?: number;
  cursor?: number;
  kind: "run-paused";
  reason?: string | null;
}

/** Steps are made again. */
export interface RunResumed {
  version?: 1;
  seq: number;
  at?: number;
  cursor?: number;
  kind: "run-resumed";
}

export type ServerMessage = Welcome | Told | MovedTo | FrameHeader | Failure | Bye;

/** The first event. `model` is the name it loads by, `model_hash` says whether it is the same one. */
export interface SessionOpened {
  version?: 1;
  seq: number;
  at?: number;
  cursor?: number;
  kind: "session-opened";
  model: string;
  model_hash: string;
  settings: Settings;
  shape: ExecutionShape;
}

/** A session as somebody sees it who has just come. */
export interface SessionView {
  session: string;
  model: string;
  place: Place;
  tree: Tree;
}

/** Follow the words more or less strongly. `rescale` None = as it is. */
export interface SetGuidance {
  version?: 1;
  kind: "set-guidance";
  scale: number;
  rescale?: number | null;
}

/** Move away from something else. */
export interface SetNegativePrompt {
  version?: 1;
  kind: "set-negative-prompt";
  text: string;
}

/** Spread the remaining noise over so many steps that the run has `num_steps` in all. */
export interface SetNumSteps {
  version?: 1;
  kind: "set-num-steps";
  num_steps: number;
}

/** Show every so many steps; 0 = only the end. */
export interface SetPreviewRate {
  version?: 1;
  kind: "set-preview-rate";
  every: number;
}

/** Say something else from the next step on. */
export interface SetPrompt {
  version?: 1;
  kind: "set-prompt";
  text: string;
}

/**
 * Say how all regions act together; None = as it is.
 *
 * Args:
 *     mode: how they are drawn. overlap: who rules where they lie on each other. common_prompt: said before each of their prompts.
 */
export interface SetRegionRules {
  version?: 1;
  kind: "set-region-rules";
  mode?: "attention" | "latent" | null;
  overlap?: "normalise" | "add" | "z-order" | null;
  common_prompt?: string | null;
}

/** Solve the remaining steps by another method. */
export interface SetSampler {
  version?: 1;
  kind: "set-sampler";
  name: string;
}

/**
 * How the coming steps are made. Lists are in order: a later hold wins over an earlier one, a later region lies on top.
 *
 * Args:
 *     prompt: of the whole picture; all prompts are in AUTOMATIC1111's syntax, see `ildm.conditioning.prompt`.
 *     common_prompt: said before the prompt of every region.
 *     overlap, region_mode: who rules where regions lie on each other, and how they are drawn; see `ildm.conditioning.regions`.
 *     shown: the picture that the model is shown beside the prompt, a PNG file; None = none.
 *     hole: mask of where to draw into it; None = everywhere.
 *     initial_noise: a unit normal latent that takes the place of the start noise of all seeds, those of regions too.
 *     start: where the run begins when it does not begin with noise.
 */
export interface Settings {
  prompt?: string;
  negative_prompt?: string;
  num_steps: number;
  guidance_scale: number;
  guidance_rescale?: number;
  sampler: string;
  seed: number;
  width: number;
  height: number;
  shown?: string | null;
  hole?: string | null;
  initial_noise?: string | null;
  start?: Start | null;
  holds?: Hold[];
  feedback?: Feedback[];
  regions?: Region[];
  common_prompt?: string;
  overlap?: "normalise" | "add" | "z-order";
  region_mode?: "attention" | "latent";
}

/**
 * Show the model something else beside the prompt, from the next step on.
 *
 * Args:
 *     image: a PNG, JPEG or WebP file of the picture to draw into or to draw larger, or a PNG file of the map to draw by, each pixel the
 *         number of its class; scaled to what the run needs. None = nothing.
 *     mask: where to draw into the picture, 255 = there; None = everywhere.
 */
export interface ShowImage {
  version?: 1;
  kind: "show-image";
  image?: Uint8Array | null;
  mask?: Mask | null;
}

/**
 * Where a run begins that does not begin with noise: a known latent, noised to the level of a step.
 *
 * Args:
 *     source: the latent, normalised.
 *     step: how many steps count as done.
 *     seed: of the noise that the source gets; None = the run's.
 */
export interface Start {
  source: string;
  step: number;
  seed?: number | null;
}

/**
 * Begin a new branch from a picture.
 *
 * Args:
 *     image: a PNG, JPEG or WebP file of the picture, scaled to the run's size.
 *     strength: how much of the run is made anew: 0 keeps the picture, 1 keeps nothing.
 *     change_map: where the picture may change, 255 = fully; multiplied by `strength`. None = everywhere.
 */
export interface StartFromImage {
  version?: 1;
  kind: "start-from-image";
  image: Uint8Array;
  strength?: number;
  change_map?: Mask | null;
}

/** Begin a new branch from noise. None = as before. What is locked stays, unless the size changes. */
export interface StartOver {
  version?: 1;
  kind: "start-over";
  seed?: number | null;
  width?: number | null;
  height?: number | null;
}

/** Begin a session and follow it. */
export interface StartSession {
  op: number;
  type: "start";
  opening: Opening;
}

/** A state lies safely on the disk: it survives whatever happens to the process. */
export interface StateSaved {
  version?: 1;
  seq: number;
  at?: number;
  cursor?: number;
  kind: "state-saved";
  node: number;
}

/** One step further. `fresh` is False where a rewound run passes states it already has. */
export interface StepCompleted {
  version?: 1;
  seq: number;
  at?: number;
  cursor?: number;
  kind: "step-completed";
  node: number;
  parent: number;
  branch: number;
  step: number;
  num_steps: number;
  fresh?: boolean;
  seconds?: number;
}

/** Make one step, then pause. */
export interface StepOnce {
  version?: 1;
  kind: "step-once";
}

/** `StepOnce`. */
export interface StepRun {
  op: number;
  type: "step";
}

/**
 * Something has happened. `event` is one of the session's log, with its `seq`; `rev` counts the commands that have acted by then.
 *
 * Args:
 *     op: the number of this client's message that it answers.
 */
export interface Told {
  type: "event";
  rev: number;
  op?: number | null;
  event: SessionOpened | CommandApplied | CommandRejected | StepCompleted | StateSaved | CursorMoved | CursorLeft | RunFinished | RunPaused | RunResumed | RunCancelled | RunFailed;
}

/** All states and branches. */
export interface Tree {
  nodes: NodeView[];
  branches: BranchView[];
}

/** Go back to where the last change was made, without it. */
export interface Undo {
  version?: 1;
  kind: "undo";
}

/**
 * The answer to `hello` and `start`, and what comes after everything was lost: forget what you know, this is how it is.
 *
 * Args:
 *     epoch: of the numbers of the events; another one means that some of them have been lost.
 *     view: None where no session is followed, or it waits for its turn, or has failed to begin.
 *     waiting: its place in the queue, from 1.
 *     problem: why it has failed to begin.
 */
export interface Welcome {
  type: "welcome";
  session?: string | null;
  op?: number | null;
  epoch?: string | null;
  view?: SessionView | null;
  waiting?: number | null;
  problem?: string | null;
}
