// What happened, as a person would say it. Pure: plain values in, sentences out.

import { capital, counted, quoted, sentence, short } from "../parts/phrases";
import type { SessionEvent } from "../session/view";
import { asked, type Before, NOTHING_BEFORE } from "./asked";
import { branchCalled, methodName } from "./called";

/** Commands for which it does not matter at which step they came. */
const ANYWHERE = new Set(["open-node", "open-branch", "name-branch", "delete-branch", "set-preview-rate"]);

/** An event as a sentence. */
export function happened(event: SessionEvent, before: Before = NOTHING_BEFORE): string {
  switch (event.kind) {
    case "session-opened": {
      const { prompt = "", num_steps, sampler, guidance_scale, seed, width, height } = event.settings;
      const what = prompt.trim() ? quoted(prompt) : "a picture without words";
      return (
        `Began with ${what}: ${counted(num_steps, "step")}, ${methodName(sampler)}, strength ${short(guidance_scale)}, ` +
        `seed ${seed}, ${width} x ${height} px, ${event.model}.`
      );
    }
    case "command-applied": {
      const { command, applied_step: step } = event;
      if (command.kind === "rewind")
        return `Went ${command.step > step ? "on" : "back"} from step ${step} to step ${command.step}.`;
      return ANYWHERE.has(command.kind)
        ? `${capital(asked(command, before))}.`
        : `Step ${step}: ${asked(command, before)}.`;
    }
    case "command-rejected":
      return event.code === "superseded"
        ? "Not done: a later change took its place."
        : `Not done: ${sentence(event.text)}`;
    case "step-completed":
      return `Step ${event.step} of ${event.num_steps}${event.fresh === false ? ", as before" : ""}.`;
    case "state-saved":
      return "A state was saved.";
    case "cursor-moved":
      return `Now at step ${event.step} of ${branchCalled(event.branch, before.branches)}.`;
    case "cursor-left":
      return "Another session of this tree stayed where it was made.";
    case "run-finished":
      return `${capital(branchCalled(event.branch, before.branches))} is finished.`;
    case "run-paused":
      return event.reason ? `Paused: ${sentence(event.reason)}` : "Paused.";
    case "run-resumed":
      return "Went on.";
    case "run-cancelled":
      return "Stopped before the end.";
    case "run-failed":
      return `It cannot go on: ${sentence(event.text)}`;
  }
}
