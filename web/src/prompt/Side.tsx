import { NumberInput } from "@mantine/core";
import { useEffect, useState } from "react";
import { fittingSide, sideProblem } from "./sides";

interface SideProps {
  label: string;
  /** The pixels of one cell of the latent: sides are made of whole ones. */
  stride: number;
  value: number;
  onSay(side: number): void;
}

/** A side of the picture in pixels. What cannot be one stays where it was typed, and is said to be of no effect. */
export function Side({ label, stride, value, onSay }: SideProps) {
  const [typed, setTyped] = useState<number | string | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is another one by now, from elsewhere
  useEffect(() => setTyped(null), [value, stride]);
  const problem = typed === null ? null : sideProblem(typed, stride, value);

  function change(next: number | string) {
    const isPossible = sideProblem(next, stride, value) === null;
    setTyped(isPossible && fittingSide(Number(next), stride) === next ? null : next);
    if (isPossible) onSay(fittingSide(Number(next), stride));
  }

  return (
    <NumberInput
      label={label}
      value={typed ?? value}
      min={stride}
      max={2048}
      step={stride}
      clampBehavior="none"
      allowDecimal={false}
      suffix=" px"
      error={problem}
      onChange={change}
      onBlur={() => problem === null && setTyped(null)}
    />
  );
}
