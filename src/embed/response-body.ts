/** At most `bytesMax` bytes of the body, and whether that was all of it. The rest is not downloaded. */
export async function readBody(response: Response, bytesMax: number): Promise<{ text: string; complete: boolean }> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes > bytesMax) break;
  }
  const text = Buffer.concat(chunks).subarray(0, bytesMax).toString("utf8");
  return { text, complete: bytes <= bytesMax };
}
