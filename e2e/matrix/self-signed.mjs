// @ts-check
/** Certificates for servers on loopback. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "../../tools/intermediaries.mjs";

const REQUEST = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1";

/** A key and a certificate that nobody else has signed, as text. */
export function selfSigned() {
  const files = selfSignedFiles();
  try {
    return { key: readFileSync(files.key, "utf8"), cert: readFileSync(files.cert, "utf8") };
  } finally {
    files.remove();
  }
}

/** The same as files: also both in one, as HAProxy wants them. */
export function selfSignedFiles() {
  const folder = mkdtempSync(join(tmpdir(), "sluice-tls-"));
  const [key, cert, both] = [join(folder, "key.pem"), join(folder, "cert.pem"), join(folder, "both.pem")];
  const openssl = /** @type {string} */ (findProgram("openssl"));
  execFileSync(openssl, [...REQUEST.split(" "), "-keyout", key, "-out", cert], { stdio: "ignore" });
  writeFileSync(both, `${readFileSync(cert, "utf8")}${readFileSync(key, "utf8")}`);
  return { key, cert, both, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
