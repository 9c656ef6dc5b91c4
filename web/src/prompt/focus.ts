/** Put the cursor into the prompt. */
export function focusPrompt(): void {
  const prompt = document.getElementById("prompt");
  if (!(prompt instanceof HTMLTextAreaElement || prompt instanceof HTMLInputElement)) return;
  prompt.focus();
  prompt.setSelectionRange(prompt.value.length, prompt.value.length);
}
