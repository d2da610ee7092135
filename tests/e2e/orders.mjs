/// Lets a Python test order things: a line of JSON in, a line of JSON out, until the input ends.
import { createInterface } from "node:readline";

/// Answers each line's `order` by the function of that name, one after the other.
export async function obey(orders) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { order, ...fields } = JSON.parse(line);
    const answer = await Promise.resolve()
      .then(() => orders[order](fields))
      .then((result) => ({ result: result ?? null }), (error) => ({ error: error.stack ?? String(error) }));
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
}
