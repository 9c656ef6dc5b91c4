// The settings of a picture as text: as other programs write them into pictures, and as the fields of an opening. Pure.

import { SAMPLERS } from "../prompt/samplers";
import type { Opening, Settings } from "../wire";

/** The text that AUTOMATIC1111's web UI, and many programs after it, call `parameters`. */
export function parametersText(model: string, settings: Settings): string {
  const { prompt = "", negative_prompt = "", num_steps, sampler, guidance_scale, seed, width, height } = settings;
  const line = {
    Steps: num_steps,
    Sampler: samplerLabel(sampler),
    "CFG scale": Number(guidance_scale.toFixed(4)),
    Seed: seed,
    Size: `${width}x${height}`,
    Model: model,
  };
  const told = Object.entries(line).map(([key, value]) => `${key}: ${quoted(String(value))}`);
  const negative = negative_prompt ? `\nNegative prompt: ${negative_prompt}` : "";
  return `${prompt}${negative}\n${told.join(", ")}`.trim();
}

/** The fields of an opening that begin the same picture: what a preset of settings is made of. */
export function openingFields(model: string | null, settings: Omit<Opening, "model"> | Settings): Partial<Opening> {
  const { prompt = "", negative_prompt = "", num_steps, guidance_scale, sampler, seed, width, height } = settings;
  const fields = { prompt, negative_prompt, num_steps, guidance_scale, sampler, seed, width, height };
  const told = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));
  return { ...(model === null ? {} : { model }), ...told };
}

function samplerLabel(sampler: string): string {
  if (sampler === "euler-ancestral") return "Euler a";
  return SAMPLERS.find(({ value }) => value === sampler)?.label.split(" - ")[0] ?? sampler;
}

/** As those programs write a value that would otherwise end early. */
function quoted(value: string): string {
  return /[,:\n]/.test(value) ? JSON.stringify(value) : value;
}
