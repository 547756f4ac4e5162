/** How a state is to be taken, which its colour repeats. */
export type Tone = "good" | "warning" | "bad" | "neutral" | "busy";
