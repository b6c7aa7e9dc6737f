"""Stands between the controller and a node's witness, and does to the conversation what its orders say.

Orders are JSON in /tmp/impostor.json, a word and what it takes:
  record PATH       keep the signed facts
  replay PATH       hand over those instead
  tamper            change what was signed
  nonce             have the witness work for another run
  boot              give another boot id at the beginning
  clock SECONDS     let the witness's clock be ahead
  stall REQUEST CMD let the witness keep little, and stop it while a command runs
  run REQUEST CMD   run a command before a request is passed on
  silent REQUEST    never answer it
  die REQUEST       end instead of answering
  kill REQUEST      end the witness instead of answering, and say what it then says
  garbage REQUEST   answer with something else
  endless REQUEST   answer without end
"""

import base64, json, os, signal, struct, subprocess, sys, time

order = json.load(open("/tmp/impostor.json"))
word, rest = order[0], order[1:]
program = "/usr/local/lib/meshproof/meshproof.real"

# There is one wall clock on a machine, whatever namespaces it has; so a library tells this process another time.
CLOCK = r"""
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
    int code = syscall(SYS_clock_gettime, clock, time);
    if (code == 0 && clock == CLOCK_REALTIME) time->tv_sec += AHEAD;
    return code;
}
"""
if word == "clock":
    subprocess.run(
        ["cc", "-shared", "-fPIC", f"-DAHEAD={rest[0]}", "-x", "c", "-", "-o", "/tmp/clock.so"],
        input=CLOCK.encode(), check=True)
    os.environ["LD_PRELOAD"] = "/tmp/clock.so"
    rest = []
witness = subprocess.Popen(
    [program] + sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def read(stream):
    head = stream.read(4)
    if len(head) < 4:
        return None
    return json.loads(stream.read(struct.unpack(">I", head)[0]))


def write(stream, message):
    body = json.dumps(message).encode()
    stream.write(struct.pack(">I", len(body)) + body)
    stream.flush()


while (request := read(sys.stdin.buffer)) is not None:
    kind = next(iter(request))
    if word == "nonce" and kind == "begin":
        request[kind]["_0"]["nonce"] = "f" * 32
    if word == "stall" and kind == "begin":
        request[kind]["_0"]["captureLimit"] = 1
    if word in ("run", "stall") and kind == rest[0]:
        if word == "stall":
            witness.send_signal(signal.SIGSTOP)
        subprocess.run(["sh", "-c", rest[1]], stdout=subprocess.DEVNULL)
        witness.send_signal(signal.SIGCONT)
    if rest and rest[0] == kind:
        if word == "silent":
            time.sleep(600)
        if word == "die":
            witness.kill()
            sys.exit(1)
        if word == "kill":
            witness.kill()
        if word == "garbage":
            sys.stdout.buffer.write(b"\0\0\0\x10not what it says")
            sys.stdout.buffer.flush()
            time.sleep(600)
        if word == "endless":
            sys.stdout.buffer.write(struct.pack(">I", 31 << 20))
            while True:
                sys.stdout.buffer.write(b" " * 64)
                sys.stdout.buffer.flush()
                time.sleep(0.1)
    try:
        write(witness.stdin, request)
    except BrokenPipeError:
        sys.exit(1)
    answer = read(witness.stdout)
    if answer is None:
        sys.exit(1)
    if word == "boot" and "looked" in answer:
        answer["looked"]["_0"]["bootID"] = "00000000-0000-0000-0000-000000000000"
    if "facts" in answer:
        if word == "record":
            json.dump(answer, open(rest[0], "w"))
        if word == "replay":
            answer = json.load(open(rest[0]))
        if word == "tamper":
            facts = json.loads(base64.b64decode(answer["facts"]["_0"]["payload"]))
            facts["capture"]["flows"] = []
            text = base64.b64encode(json.dumps(facts).encode()).decode()
            answer["facts"]["_0"]["payload"] = text
    write(sys.stdout.buffer, answer)
