import { TextInput, type TextInputProps } from "@mantine/core";
import type { KeyboardEvent } from "react";
import { useUnsaid } from "../parts/unsaid";

interface SaidProps extends Omit<TextInputProps, "value" | "onChange"> {
  said: string;
  say(text: string): void;
}

/** A line of text that is the person's own while they write; it acts on Enter, or when it is left. */
export function Said({ said, say, ...rest }: SaidProps) {
  const { text, setText, finish, drop } = useUnsaid(said, say);

  function pressed(event: KeyboardEvent<HTMLInputElement>) {
    if (event.key === "Escape") drop(event.currentTarget);
    if (event.key === "Enter" && !event.nativeEvent.isComposing) finish();
  }

  return (
    <TextInput
      {...rest}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      onBlur={finish}
      onKeyDown={pressed}
    />
  );
}
