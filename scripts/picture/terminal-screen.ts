/** What a terminal shows after it received a program's output: the few sequences that the command line writes. */

export interface Style {
  readonly bold: boolean;
  /** SGR number of the foreground, 30 to 37; null: the default. */
  readonly colour: number | null;
}

export interface Span extends Style {
  readonly text: string;
}

interface Cell extends Style {
  readonly character: string;
}

const PLAIN: Style = { bold: false, colour: null };
// biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences begin with ESC
const TOKENS = /\u001b\[([?\d;]*)([A-Za-z])|\u001b[78]|\r|\n|[^\u001b\r\n]/gu;

/** The lines of the screen, each as runs of one style. Progress bars that were erased are not among them. */
export function screenOf(output: string): Span[][] {
  const rows: Cell[][] = [[]];
  let column = 0;
  let style = PLAIN;
  for (const [token, parameters = "", command] of output.matchAll(TOKENS)) {
    const row = rows.at(-1) as Cell[];
    if (token === "\n") {
      rows.push([]);
      column = 0;
    } else if (token === "\r" || command === "G") column = 0;
    else if (command === "K") row.length = parameters === "2" ? 0 : Math.min(row.length, column);
    else if (command === "m") style = styled(style, parameters);
    else if (!token.startsWith("\u001b")) {
      while (row.length < column) row.push({ ...PLAIN, character: " " });
      row[column++] = { ...style, character: token };
    }
  }
  return rows.map(spans);
}

function styled(style: Style, parameters: string): Style {
  const number = Number(parameters);
  if (number === 0) return PLAIN;
  if (number === 1) return { ...style, bold: true };
  return number >= 30 && number <= 37 ? { ...style, colour: number } : style;
}

function spans(row: readonly Cell[]): Span[] {
  const found: Span[] = [];
  for (const { character, bold, colour } of row) {
    const last = found.at(-1);
    if (last !== undefined && last.bold === bold && last.colour === colour) {
      found[found.length - 1] = { ...last, text: last.text + character };
    } else found.push({ text: character, bold, colour });
  }
  return found;
}
