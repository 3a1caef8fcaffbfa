"""Runs one message through aider and prints what happens as JSON lines.

    python3 driver.py PROMPT_FILE aider [OPTION...]

Aider prints prose and exits 0 whatever happens. This drives its scripting interface instead, in
aider's own Python, which is found by the first line of aider's program. Standard output holds one
object a line; everything that aider prints itself goes to standard error.

    {"type": "start", "model": "openai/gpt-5.5"}
    {"type": "message", "text": "..."}                          an answer of the model
    {"type": "retry", "error": {"name", "status", "message"}}   a call failed and is repeated
    {"type": "file_change", "path": "src/lib.rs"}
    {"type": "commit", "hash": "1a2b3c4"}
    {"type": "result", "ok": false, "error": {...}}             always the last one

Exit status: 0 done, 1 failed, 2 called wrongly, 130 interrupted, 143 terminated.

It replaces functions inside aider, so it belongs to the versions it is tested with.
"""

import json
import os
import re
import shutil
import signal
import sys

# How long aider may go on repeating a call, in seconds between two tries. Its own limit (60) adds up
# to minutes, while a task can simply be resumed later.
LONGEST_DELAY = 4

# How often aider may have an answer continued that was cut at the model's limit. By itself it goes on
# for ever where the model can continue.
MOST_CONTINUATIONS = 3

# A message is cut here; aider puts whole answers of a server into its errors.
LONGEST_MESSAGE = 2000

INSIDE = "CLOUD_CODE_INSIDE_AIDER"


def interpreter_of(program):
    """The Python that a console script is started with."""
    path = shutil.which(program)
    if path is None:
        sys.exit("aider_driver: there is no program '%s'" % program)
    with open(path, "rb") as script:
        head = script.read(4096).decode("utf-8", "replace")
    first, _, rest = head.partition("\n")
    # A path that is too long for a first line stands in the second: '''exec' "/python" "$0" "$@"
    long_path = re.match(r"""'''exec' "?([^"\s]+)"?""", rest)
    if long_path:
        return long_path.group(1)
    if first.startswith("#!") and "python" in first:
        return first[2:].strip().split()[0]
    sys.exit("aider_driver: '%s' is no Python program, so it cannot be aider" % path)


def status_of(exception):
    """The HTTP status of a failed call. The library under aider raises one exception for another, and
    gives some a status that nobody sent (403 becomes 500): the first one tells the truth."""
    status = None
    while exception is not None:
        found = getattr(exception, "status_code", None)
        made_up = type(exception).__name__ == "APIConnectionError"
        if isinstance(found, int) and not made_up:
            status = found
        exception = exception.__cause__ or exception.__context__
    return status


class Driver:
    def __init__(self):
        # Standard output becomes ours alone; what aider prints goes to standard error.
        self.out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
        os.dup2(2, 1)
        self.error = None
        self.interrupted = False
        self.seen = None
        self.calls = 0  # since the last answer that came to its end

    def tell(self, kind, **fields):
        self.out.write(json.dumps({"type": kind, **fields}) + "\n")
        self.out.flush()

    def on_interrupt(self, _signal, _frame):
        self.interrupted = True
        raise KeyboardInterrupt

    def on_terminate(self, signum, _frame):
        self.tell("result", ok=False, error={"name": "Interrupted", "message": "terminated"})
        os._exit(128 + signum)

    def adapt(self):
        """Makes aider tell what it otherwise prints, and keeps it off the network."""
        import aider.coders.base_coder as base_coder
        import aider.exceptions as exceptions
        import aider.main
        import aider.models as models

        base_coder.RETRY_TIMEOUT = models.RETRY_TIMEOUT = LONGEST_DELAY
        # A repository's .env is for its program; it must not move our model calls.
        aider.main.load_dotenv_files = lambda *_args, **_kwargs: []
        models.ModelInfoManager._update_cache = lambda _self: None

        asked = exceptions.LiteLLMExceptions.get_ex_info

        def get_ex_info(this, exception):
            return self.failed(asked(this, exception), exception)

        exceptions.LiteLLMExceptions.get_ex_info = get_ex_info

        sent = base_coder.Coder.send

        def send(coder, *arguments, **options):
            self.calls += 1
            if self.calls > MOST_CONTINUATIONS:
                coder.main_model.info["supports_assistant_prefill"] = False
            return sent(coder, *arguments, **options)

        base_coder.Coder.send = send

        reported = base_coder.Coder.show_usage_report

        def show_usage_report(coder):
            self.calls = 0
            if coder.usage_report and coder.partial_response_content:
                self.error = None  # whatever failed before, a retry got over it
                self.tell("message", text=coder.partial_response_content)
            return reported(coder)

        base_coder.Coder.show_usage_report = show_usage_report

    def failed(self, info, exception):
        """A model call raised this. Answers what aider shall do about it."""
        status = status_of(exception)
        message = str(exception)[:LONGEST_MESSAGE]
        pointless = status in (401, 403) or "quota" in message or "credit balance" in message
        if info.retry and pointless:
            info = type(info)(info.name, False, info.description)
        if self.seen is not exception:  # aider asks twice about the one it gives up on
            self.seen = exception
            self.error = {"name": type(exception).__name__, "status": status, "message": message}
            if info.retry:
                self.tell("retry", error=self.error)
        return info

    def run(self, prompt, options):
        self.adapt()
        from aider.coders.base_coder import Coder
        from aider.main import main

        coder = main(options, return_coder=True)
        if not isinstance(coder, Coder):
            message = "aider did not start; what it says is above"
            self.tell("result", ok=False, error={"name": "StartError", "message": message})
            return 1
        for model in (coder.main_model, coder.main_model.weak_model):
            # One level of retries is enough: the client below has three tries of its own.
            model.extra_params = {**(model.extra_params or {}), "max_retries": 0}
        self.tell("start", model=coder.main_model.name)
        # Text that begins like this would be a command of aider's.
        coder.run(with_message=" " + prompt if prompt[:1] in ("/", "!") else prompt)
        return self.finish(coder)

    def finish(self, coder):
        for path in sorted(coder.aider_edited_files or ()):
            self.tell("file_change", path=path)
        for commit in sorted(coder.aider_commit_hashes or ()):
            self.tell("commit", hash=commit)
        if coder.num_exhausted_context_windows and self.error is None:
            self.error = {"name": "OutputLimit", "message": "the answer was cut at the model's limit"}
        if self.interrupted:
            self.error = {"name": "Interrupted", "message": "interrupted"}
        self.tell("result", ok=self.error is None, error=self.error)
        if self.interrupted:
            return 128 + signal.SIGINT
        return 0 if self.error is None else 1


def inside(prompt_file, options):
    driver = Driver()
    signal.signal(signal.SIGINT, driver.on_interrupt)
    signal.signal(signal.SIGTERM, driver.on_terminate)
    with open(prompt_file, encoding="utf-8") as file:
        prompt = file.read()
    try:
        status = driver.run(prompt, options)
    except KeyboardInterrupt:
        driver.tell("result", ok=False, error={"name": "Interrupted", "message": "interrupted"})
        status = 128 + signal.SIGINT
    sys.stderr.flush()
    os._exit(status)  # aider leaves threads behind


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: driver.py PROMPT_FILE aider [OPTION...]")
    prompt_file, program, options = sys.argv[1], sys.argv[2], sys.argv[3:]
    if INSIDE in os.environ:
        return inside(prompt_file, options)
    python = interpreter_of(program)
    os.environ[INSIDE] = "1"
    try:
        os.execv(python, [python, os.path.abspath(__file__), *sys.argv[1:]])
    except OSError as error:
        sys.exit("aider_driver: cannot start aider's Python, '%s': %s" % (python, error.strerror))


if __name__ == "__main__":
    main()
