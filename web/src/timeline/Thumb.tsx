import { useEffect, useRef, useState } from "react";
import { pictures } from "../connection/http";
import { frameOf, useFrames } from "../session/frames";
import classes from "./Thumb.module.css";

const PATIENCE = 900;

interface ThumbProps {
  session: string;
  node: number;
  step: number;
  className: string | undefined;
  /** What it shows, where it is not said beside it. */
  label?: string;
}

/** A small picture of a state: the frame that came of it, or else the server's. */
export function Thumb({ session, node, step, className, label = "" }: ThumbProps) {
  const frame = useFrames(() => frameOf(session, node));
  const isLate = useLate(frame === undefined ? PATIENCE : null);
  const [failed, setFailed] = useState(0);
  // before the first step there is nothing to see
  const sources = step === 0 ? [] : [pictures.thumbnail(session, node), pictures.image(session, node, "jpeg")];
  const former = useRef<string>(undefined);
  // until its own is here, the picture of the state before it
  const url = frame ?? (isLate ? sources[failed] : former.current);
  useEffect(() => {
    former.current = url;
  }, [url]);
  if (!url)
    return <span className={classes.blank} data-node={node} data-step={step} data-noise={step === 0 || undefined} />;
  return (
    <img
      className={className}
      src={url}
      alt={label}
      data-node={node}
      data-step={step}
      draggable={false}
      loading="lazy"
      decoding="async"
      onError={() => setFailed((count) => count + 1)}
    />
  );
}

/** Whether so much time has gone by; never where there is none to wait for. */
function useLate(milliseconds: number | null): boolean {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    if (milliseconds === null) return;
    const timer = setTimeout(() => setLate(true), milliseconds);
    return () => clearTimeout(timer);
  }, [milliseconds]);
  return isLate;
}
