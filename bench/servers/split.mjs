// Messages in the chunks of a stream, as programs over node:net and Bun.listen separate them.
// Each function returns a function from a chunk to the response, or `undefined` if there is none.

/** Lines: `split`. */
export function splitLines() {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop();
    let response = '';
    for (const line of lines) response += `${line}\n`;
    return response === '' ? undefined : Buffer.from(response);
  };
}

function frame(body) {
  const header = Buffer.allocUnsafe(4);
  header.writeUInt32BE(body.length);
  return [header, body];
}

/** Frames: a length of four bytes, then that many bytes. */
export function splitFrames() {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const response = [];
    let at = 0;
    while (data.length - at >= 4) {
      const end = at + 4 + data.readUInt32BE(at);
      if (end > data.length) break;
      response.push(...frame(data.subarray(at + 4, end)));
      at = end;
    }
    rest = data.subarray(at);
    return response.length === 0 ? undefined : Buffer.concat(response);
  };
}
