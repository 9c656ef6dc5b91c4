import { NumberInput, type NumberInputProps } from "@mantine/core";
import { type KeyboardEvent, useEffect, useState } from "react";

interface TypedNumberProps extends Omit<NumberInputProps, "value" | "onChange" | "onValueChange" | "min" | "max"> {
  /** null = nothing is said. */
  value: number | null;
  min: number;
  max?: number;
  /** null comes only where there may be nothing. */
  onSay(value: number | null): void;
  mayBeEmpty?: boolean;
}

/** A number that acts once it has been typed: on Enter, when it is left, or at once by its arrows. Escape drops what was typed. */
export function TypedNumber({
  value,
  min,
  max = Number.MAX_SAFE_INTEGER,
  onSay,
  mayBeEmpty,
  ...rest
}: TypedNumberProps) {
  const [typed, setTyped] = useState<number | string | null>(null);
  // what was said is shown until it acts, and counted on from
  const [said, setSaid] = useState<number | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it acts now, or something else does
  useEffect(() => setSaid(null), [value]);

  function say(next: number | string | null) {
    setTyped(null);
    if (typeof next === "number") {
      const within = Math.min(max, Math.max(min, next));
      if (within === (said ?? value)) return;
      setSaid(within);
      onSay(within);
    } else if (next === "" && mayBeEmpty && value !== null) onSay(null);
  }

  function pressed(event: KeyboardEvent) {
    if (event.key === "Enter") say(typed);
    if (event.key === "Escape") setTyped(null);
  }

  return (
    <NumberInput
      {...rest}
      value={typed ?? said ?? value ?? ""}
      min={min}
      max={max}
      clampBehavior="none"
      onValueChange={({ floatValue }, { source }) => {
        const next = floatValue ?? "";
        if ((source as string) === "increment" || (source as string) === "decrement") say(next);
        else if ((source as string) === "event") setTyped(next);
      }}
      onKeyDown={pressed}
      onFocus={() => setSaid(null)}
      onBlur={() => {
        // one that was refused is not shown for longer than this
        setSaid(null);
        say(typed);
      }}
    />
  );
}
