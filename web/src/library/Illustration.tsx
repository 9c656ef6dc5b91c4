import { type Cell, HEIGHT, type IllustrationKind, pattern, WIDTH } from "./pattern";
import classes from "./Welcome.module.css";

export type { IllustrationKind };

/** Noise on the left, a picture on the right: what happens here, as a drawing. */
export function Illustration({ kind }: { kind: IllustrationKind }) {
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} className={classes.illustration} aria-hidden shapeRendering="crispEdges">
      {pattern(kind).map(({ x, y, tone, shade }: Cell) => (
        <rect key={`${x}/${y}`} x={x} y={y} width={1} height={1} className={classes[tone]} opacity={shade} />
      ))}
    </svg>
  );
}
