import { SegmentedControl, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { pixelsOf } from "../canvas/masks/pictures";
import { api } from "../connection/http";
import classes from "./Compared.module.css";
import { differenceOf, inWords } from "./difference";

const GAINS = ["1", "4", "16"];

/** What differs between two pictures, by their addresses: black where nothing does. */
export function DifferencePicture({ left, right }: { left: string; right: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [gain, setGain] = useState("4");
  const [said, setSaid] = useState("Looking ...");
  useEffect(() => {
    let isWanted = true;
    Promise.all([pixelsAt(left), pixelsAt(right)]).then(
      ([one, other]) => {
        const target = canvas.current;
        if (!isWanted || !target) return;
        if (one.width !== other.width || one.height !== other.height) {
          setSaid("They are of different sizes, so there is no difference to show.");
          return;
        }
        const found = differenceOf(one.data, other.data, Number(gain));
        target.width = one.width;
        target.height = one.height;
        target.getContext("2d")?.putImageData(new ImageData(found.pixels, one.width, one.height), 0, 0);
        setSaid(inWords(found));
      },
      () => isWanted && setSaid("One of the pictures is not there (any more): choose another."),
    );
    return () => {
      isWanted = false;
    };
  }, [left, right, gain]);
  return (
    <div className={classes.stage}>
      <canvas ref={canvas} className={classes.canvas} role="img" aria-label={said} />
      <div className={classes.below}>
        <Text size="sm" role="status" data-difference>
          {said}
        </Text>
        <SegmentedControl
          size="xs"
          aria-label="How much the difference is amplified"
          data={GAINS.map((value) => ({ value, label: value === "1" ? "as it is" : `${value} times` }))}
          value={gain}
          onChange={setGain}
        />
      </div>
    </div>
  );
}

async function pixelsAt(address: string): Promise<ImageData> {
  return pixelsOf(await api.blob(address));
}
