import { TextInput, type TextInputProps } from "@mantine/core";
import type { KeyboardEvent, Ref } from "react";
import { useUnsaid } from "../parts/unsaid";
import { useSession } from "../session/store";

interface SaidProps extends Omit<TextInputProps, "value" | "onChange"> {
  /** Tells it from all others of the picture. */
  box: string;
  said: string;
  say(text: string): void;
  ref?: Ref<HTMLInputElement>;
}

/** A line of text that is the person's own while they write; it acts on Enter, or when it is left. */
export function Said({ box, said, say, ...rest }: SaidProps) {
  const session = useSession((state) => state.id);
  const { text, setText, finish, drop } = useUnsaid({ said, say, of: session, box });

  function pressed(event: KeyboardEvent<HTMLInputElement>) {
    if (event.key === "Escape") drop(event.currentTarget);
    if (event.key === "Enter" && !event.nativeEvent.isComposing) finish();
  }

  return (
    <TextInput
      {...rest}
      value={text}
      data-blank={text === "" || undefined}
      onChange={(event) => setText(event.currentTarget.value)}
      onBlur={finish}
      onKeyDown={pressed}
    />
  );
}
