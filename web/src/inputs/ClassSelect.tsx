import { type ComboboxItem, type ComboboxParsedItem, Select, type SelectProps } from "@mantine/core";
import { useMemo } from "react";
import { found } from "./finding";

interface ClassSelectProps extends Omit<SelectProps, "data" | "value" | "onChange"> {
  names: readonly string[];
  /** Those of them that can be chosen; empty = all. */
  known?: readonly string[];
  /** The place of the one that is chosen. */
  value: number | null;
  onChange(value: number | null): void;
}

const MOST_SHOWN = 100;

/** One of the classes of a model, found by typing a part of its name. */
export function ClassSelect({ names, known, value, onChange, ...others }: ClassSelectProps) {
  const data = useMemo(() => choices(names, known ?? []), [names, known]);
  return (
    <Select
      {...others}
      data={data}
      value={value === null ? null : String(value)}
      onChange={(chosen) => onChange(chosen === null ? null : Number(chosen))}
      searchable
      filter={({ options, search }) => found(options.filter(isOne), search)}
      onFocus={(event) => event.currentTarget.select()}
      selectFirstOptionOnChange
      limit={MOST_SHOWN}
      nothingFoundMessage="No class has this in its name."
      comboboxProps={{ withinPortal: true }}
    />
  );
}

/** Every class that can be chosen, by its place among all. */
export function choices(names: readonly string[], known: readonly string[]) {
  const open = new Set(known.length > 0 ? known : names);
  return names.map((label, index) => ({ value: String(index), label })).filter(({ label }) => open.has(label));
}

/** There are no groups among them. */
function isOne(item: ComboboxParsedItem): item is ComboboxItem {
  return "value" in item;
}
