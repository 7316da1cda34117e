// What makes an image of a running server, and makes a datadir of an image. Three of them (engines/), one port.
import type { Readable } from "node:stream";
import type {
  BinlogPosition,
  EngineName,
  Manifest,
  ServerVersion,
} from "../core/backup/manifest.ts";

/** What is known only when the image is whole. */
export type ImageFacts = {
  readonly gtid: string;
  readonly binlog: BinlogPosition | null;
  readonly lsn: { readonly from: string; readonly to: string } | null;
};

/** An image on its way. Disposing of it before `finish` ends the engine and leaves nothing behind. */
export interface Imaging extends AsyncDisposable {
  /** The image; ends when the engine closes it, also when the engine failed: only `finish` says that it is whole. */
  readonly stream: Readable;
  readonly format: Manifest["stream"];
  /** Bytes that it will be about, before compression; 0: not known. */
  readonly estimate: number;
  /**
   * The engine's proof that the image is whole: exit code, last word, its own facts. To be called when the stream was
   * read to its end. Errors: UnavailableError AP_BACKUP_ENGINE_FAILED with the engine's last words; the signal's reason.
   */
  finish(): Promise<ImageFacts>;
}

export type ImagingRequest = {
  /**
   * Directory of the node for temporary files, on the file system of the datadir. One image at a time works in it: what a
   * killed one left there is removed first.
   */
  readonly scratch: string;
  /** LSN of the parent for an incremental image; null: a full one. */
  readonly since: string | null;
  readonly signal: AbortSignal;
};

export type UnpackRequest = {
  readonly stream: Readable;
  /** Empty directory, which becomes a datadir that mysqld can be started on. */
  readonly into: string;
  readonly signal: AbortSignal;
};

export interface Engine {
  readonly name: EngineName;
  readonly version: string;
  readonly incremental: boolean;
  /**
   * A server that is started on what `unpack` leaves has the image's GTID set by itself. False: it must be told the
   * manifest's, before it sees a source: RESET BINARY LOGS AND GTIDS and SET GLOBAL gtid_purged (MariaDB: gtid_slave_pos).
   */
  readonly holdsGtid: boolean;
  /**
   * Errors: UnavailableError AP_BACKUP_ENGINE_FAILED; RefusedError AP_BACKUP_SPACE where a copy has no room; the signal's
   * reason.
   */
  image(server: ServerVersion, request: ImagingRequest): Promise<Imaging>;
  /**
   * Unpacks and prepares a full image, then each incremental in order, all `into` the same directory; leaves a datadir
   * that starts, on the disk. Errors: UnavailableError AP_BACKUP_UNPACK; RefusedError AP_BACKUP_CHAIN for images that do
   * not fit onto each other; the signal's reason.
   */
  unpack(chain: readonly UnpackRequest[]): Promise<void>;
}
