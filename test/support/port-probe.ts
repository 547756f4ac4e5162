import { connect, type Socket } from "node:net";

/**
 * Whether a server answers on a port of this machine, within half a second.
 * @param greet called with the open connection; it settles the answer. @default a connection is answer enough
 */
export function answersOn(
  port: number,
  greet: (socket: Socket, settle: (ready: boolean) => void) => void = (_socket, settle) => settle(true),
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const settle = (ready: boolean): void => {
      resolve(ready);
      socket.destroy();
    };
    socket.setTimeout(500, () => settle(false));
    socket.on("error", () => settle(false));
    socket.on("connect", () => greet(socket, settle));
  });
}
