// The one connection of a stage: operations out, statuses and frames in, and back again when it breaks.

const FIRST_WAIT = 250; // ms before the first new try; doubled each time
const LAST_WAIT = 4000;
const KEPT = 20; // operations kept while there is no connection
const FINAL = [1008, 4403, 4404]; // closed for good: flooded, of another origin, no such run

export class Connection {
  /** `on` = {open(), lost(), refused(), text(message), bytes(buffer)}; `path` is the address on this same server. */
  constructor(path, on) {
    this.address = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${path}`;
    this.on = on;
    this.wait = FIRST_WAIT;
    this.waiting = [];
    this.last = 0;
    this.closed = false;
    this.open();
  }

  open() {
    const socket = (this.socket = new WebSocket(this.address));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.wait = FIRST_WAIT;
      this.on.open();
      for (const operation of this.waiting.splice(0)) socket.send(operation);
    };
    socket.onmessage = ({ data }) => {
      if (this.closed) return;
      if (typeof data === "string") this.on.text(JSON.parse(data));
      else this.on.bytes(data);
    };
    socket.onclose = ({ code }) => {
      if (this.closed) return;
      if (FINAL.includes(code)) return this.on.refused();
      this.on.lost();
      // A little chance keeps a full lecture room from knocking at the same instant.
      this.timer = setTimeout(() => this.open(), this.wait * (0.75 + Math.random() / 2));
      this.wait = Math.min(LAST_WAIT, this.wait * 2);
    };
  }

  /** Send an operation; returns its id, by which the server names the first frame that shows it. */
  send(operation) {
    const id = ++this.last;
    const text = JSON.stringify({ ...operation, id });
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(text);
    else if (this.waiting.length < KEPT) this.waiting.push(text);
    return id;
  }

  /** Tell the server that a frame has been dealt with, so that it sends the next. Of no use to a broken connection. */
  acknowledge() {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send('{"op":"ack"}');
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket.close();
  }
}
