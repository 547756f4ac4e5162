const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** `1,234,567` */
export function whole(value: number): string {
  return WHOLE.format(value);
}

/** `1.2M` */
export function short(value: number): string {
  return Math.abs(value) < 10_000 ? whole(value) : SHORT.format(value);
}

/** `12`; of a list that was cut: `12 or more` */
export function atLeast(value: number, isCut: boolean): string {
  return isCut ? `${whole(value)} or more` : whole(value);
}

/** `1 memory`, `1,204 memories` */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${whole(value)} ${value === 1 ? one : many}`;
}
