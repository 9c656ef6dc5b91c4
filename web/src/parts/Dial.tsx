import { Group, Slider, Text, Tooltip } from "@mantine/core";
import { useId, useState } from "react";
import { TypedNumber } from "./TypedNumber";

interface DialProps {
  label: string;
  term: string;
  value: number;
  min: number;
  max: number;
  /** What may be typed, where it is more than the slider shows. */
  most?: number;
  step: number;
  onChange(value: number): void;
}

/** A number to slide or type. It acts when it is let go, or said. */
export function Dial({ label, term, value, min, max, most = max, step, onChange }: DialProps) {
  const [held, setHeld] = useState<number | null>(null);
  const id = useId();
  const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
  return (
    <div>
      <Group justify="space-between" wrap="nowrap" gap="xs" mb={2}>
        <Tooltip label={term}>
          <Text component="label" size="sm" fw={500} htmlFor={id}>
            {label}
          </Text>
        </Tooltip>
        <TypedNumber
          id={id}
          value={Number((held ?? value).toFixed(digits))}
          min={min}
          max={most}
          step={step}
          decimalScale={digits}
          size="xs"
          w={72}
          onSay={(next) => next !== null && onChange(next)}
        />
      </Group>
      <Slider
        aria-label={label}
        thumbLabel={label}
        value={Math.min(max, held ?? value)}
        min={min}
        max={max}
        step={step}
        onChange={setHeld}
        onChangeEnd={(next) => {
          setHeld(null);
          onChange(next);
        }}
      />
    </div>
  );
}
