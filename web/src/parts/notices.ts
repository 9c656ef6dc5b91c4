// Sentences for the person, in the corner of the page.

import { notifications } from "@mantine/notifications";

function show(message: string, color: string, autoClose: number): void {
  // the same sentence twice is one sentence
  notifications.hide(message);
  notifications.show({ id: message, message, color, autoClose, withBorder: true });
}

export const notice = {
  info: (message: string) => show(message, "teal", 4000),
  problem: (message: string) => show(message, "red", 9000),
};
