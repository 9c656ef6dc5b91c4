import { TextInput, type TextInputProps } from "@mantine/core";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";

interface SaidProps extends Omit<TextInputProps, "value" | "onChange"> {
  said: string;
  say(text: string): void;
}

/** A line of text that is the person's own while they write; it acts on Enter, or when it is left. */
export function Said({ said, say, ...rest }: SaidProps) {
  const [text, setText] = useState(said);
  const before = useRef(said);
  useEffect(() => {
    if (text === before.current) setText(said);
    before.current = said;
  }, [said, text]);

  function finish() {
    before.current = text;
    if (text !== said) say(text);
  }

  function pressed(event: KeyboardEvent) {
    if (event.key === "Escape") setText(said);
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
