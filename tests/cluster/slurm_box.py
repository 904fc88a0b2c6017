"""A private SLURM on this machine: one controller and two nodes on loopback, in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from getpass import getuser
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")

CONFIG = """
ClusterName=box
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
MailProg=/bin/true
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobRequeue=1
ReturnToService=2
KillWait=2
MinJobAge=3600
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs=4 RealMemory=8000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs=4 RealMemory=8000
PartitionName=debug Nodes=n1,n2 Default=YES MaxTime=INFINITE DefaultTime=10
"""


def missing() -> list[str]:
    """Programs that are needed and not installed."""
    return [name for name in (*DAEMONS, "sbatch", "scontrol", "scancel") if shutil.which(name) is None]


class SlurmBox:
    """Starts the daemons, runs SLURM's commands, stops the daemons.

    The folder's path is short: the sockets in it must fit into 108 bytes.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))
        outside = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
        self.environment = outside | {"SLURM_CONF": str(self.folder / "slurm.conf"), "MASTER_ADDR": "127.0.0.1"}

    def __enter__(self) -> "SlurmBox":
        with ExitStack() as on_failure:
            on_failure.callback(shutil.rmtree, self.folder, ignore_errors=True)
            on_failure.callback(self._kill_daemons)
            self._start()
            on_failure.pop_all()
        return self

    def _start(self) -> None:
        self.folder.chmod(0o755)  # munge looks at it
        ports = _free_ports(3)
        (self.folder / "state").mkdir()
        values = {"folder": self.folder, "host": socket.gethostname().split(".")[0], "user": getuser()}
        names = dict(zip(("port", "first", "second"), ports))
        (self.folder / "slurm.conf").write_text(CONFIG.format(**values, **names))
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        at = str(self.folder)
        self.run("munged", f"--key-file={key}", f"--socket={at}/munge.sock", f"--pid-file={at}/munged.pid",
                 f"--log-file={at}/munged.log", f"--seed-file={at}/munge.seed", "--num-threads=2")  # fmt: skip
        self.run("slurmctld", "-c")
        self.run("slurmd", "-N", "n1")
        self.run("slurmd", "-N", "n2")
        self.until(lambda: set(self.run("sinfo", "-h", "-N", "-o", "%t").split()) == {"idle"}, 90, "idle nodes")

    def __exit__(self, *_: object) -> None:
        with ExitStack() as last:
            last.callback(shutil.rmtree, self.folder, ignore_errors=True)
            last.callback(self._kill_daemons)
            self.run("scancel", "-u", getuser())
            self.until(lambda: not self.run("squeue", "-h"), 90, "an empty queue")
            self.run("scontrol", "shutdown")

    def run(self, *command: str) -> str:
        """Run a command and return what it printed."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def show(self, job: str) -> dict[str, str]:
        """What SLURM knows of a job."""
        first = self.run("scontrol", "-o", "show", "job", job).splitlines()[0]
        return dict(word.split("=", 1) for word in first.split() if "=" in word)

    def until(self, true, seconds: float, what: str) -> None:
        """Wait for something."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"waited {seconds} s for {what}"
            time.sleep(0.2)

    def _kill_daemons(self) -> None:
        """Whoever still runs with a pid file in this folder; a stale pid may belong to somebody else by now."""
        time.sleep(0.5)
        for file in self.folder.glob("*.pid"):
            try:
                pid = int(file.read_text())
                name = Path(f"/proc/{pid}/comm").read_text().strip()
            except (ValueError, OSError):
                continue
            if name in DAEMONS:
                os.kill(pid, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
