import { Select, type SelectProps } from "@mantine/core";
import { useMemo } from "react";

interface ClassSelectProps extends Omit<SelectProps, "data" | "value" | "onChange"> {
  names: readonly string[];
  /** The place of the one that is chosen. */
  value: number | null;
  onChange(value: number | null): void;
}

const MOST_SHOWN = 100;

/** One of the classes of a model, found by typing a part of its name. */
export function ClassSelect({ names, value, onChange, ...others }: ClassSelectProps) {
  const data = useMemo(() => names.map((label, index) => ({ value: String(index), label })), [names]);
  return (
    <Select
      {...others}
      data={data}
      value={value === null ? null : String(value)}
      onChange={(chosen) => onChange(chosen === null ? null : Number(chosen))}
      searchable
      selectFirstOptionOnChange
      limit={MOST_SHOWN}
      nothingFoundMessage="No class has this in its name."
      comboboxProps={{ withinPortal: true }}
    />
  );
}
