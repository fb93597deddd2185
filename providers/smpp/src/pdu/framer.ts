import { HEADER_OCTETS, MAX_PDU_OCTETS } from './command';

/** What {@link PduFramer.push} gives: whole PDUs, and why the stream cannot be read on, if so. */
export interface Frames {
  frames: Buffer[];
  fault?: string;
}

/**
 * Cuts the octets of a link into PDUs. A length that no PDU can have (below 16, above {@link MAX_PDU_OCTETS}) makes the
 * rest of the stream meaningless: the fault is told once, and nothing is read after it.
 */
export class PduFramer {
  private chunks: Buffer[] = [];
  private held = 0;
  /** Octets needed before there is something to cut. */
  private wanted = 4;
  private broken = false;

  /** Frames share memory with the chunks they came in. */
  push(chunk: Buffer): Frames {
    if (this.broken) return { frames: [] };
    this.chunks.push(chunk);
    this.held += chunk.length;
    // Joined only when a PDU is whole: a peer that sends single octets must not make this quadratic.
    if (this.held < this.wanted) return { frames: [] };
    const octets = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks, this.held);
    const frames: Buffer[] = [];
    let at = 0;
    while (octets.length - at >= 4) {
      const length = octets.readUInt32BE(at);
      if (length < HEADER_OCTETS || length > MAX_PDU_OCTETS) {
        this.broken = true;
        this.chunks = [];
        return { frames, fault: `a PDU of ${length} octets` };
      }
      if (octets.length - at < length) break;
      frames.push(octets.subarray(at, at + length));
      at += length;
    }
    this.keep(octets.subarray(at));
    return { frames };
  }

  private keep(rest: Buffer): void {
    this.chunks = rest.length > 0 ? [rest] : [];
    this.held = rest.length;
    this.wanted = rest.length >= 4 ? rest.readUInt32BE(0) : 4;
  }
}
