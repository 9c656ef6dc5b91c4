// The samplers by name, in the words of a person; see docs/draw.md.

export const SAMPLERS = [
  { value: "dpmpp-2m", label: "DPM++ 2M - fast and exact" },
  { value: "unipc", label: "UniPC - good in few steps" },
  { value: "ddim", label: "DDIM - plain and steady" },
  { value: "euler", label: "Euler - the simplest" },
  { value: "heun", label: "Heun - exact, twice the work" },
  { value: "plms", label: "PLMS - with a memory of four steps" },
  { value: "dpmpp-2m-sde", label: "DPM++ 2M SDE - with fresh noise" },
  { value: "euler-ancestral", label: "Euler ancestral - with fresh noise" },
  { value: "ddpm", label: "DDPM - the original, many steps" },
  { value: "lcm", label: "LCM - for models distilled to few steps" },
];
