"""The seccomp filter on both machines, run by a small machine of our own: what it says of every call and argument."""

from __future__ import annotations

import struct

import pytest

from audit.sandbox import seccomp, syscalls

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
PID = 1234

# Calls that reach beyond the process, as name:x86_64:aarch64, from the kernel's own tables (6.1, and the newer
# unified numbers): sockets, processes, other processes' state, metadata of files, memory outside the limit, the
# kernel itself.
REACHING = """
accept:43:202 accept4:288:242 acct:163:89 add_key:248:217 adjtimex:159:171 alarm:37:- bind:49:200 bpf:321:280
cachestat:451:451 capget:125:90 capset:126:91 chdir:80:49 chmod:90:- chown:92:- chroot:161:51 clock_settime:227:112
connect:42:203 copy_file_range:326:285 creat:85:- delete_module:176:106 epoll_pwait2:441:441 execve:59:221
execveat:322:281 faccessat2:439:439 fallocate:285:47 fanotify_init:300:262 fanotify_mark:301:263 fchdir:81:50
fchmod:91:52 fchmodat:268:53 fchmodat2:452:452 fchown:93:55 fchownat:260:54 file_getattr:468:468
file_setattr:469:469 finit_module:313:273 flock:73:32 fork:57:- fremovexattr:199:16 fsconfig:431:431 fsetxattr:190:7
fsmount:432:432 fsopen:430:430 fspick:433:433 fstatfs:138:44 fsync:74:82 ftruncate:77:46 futex_waitv:449:449
futimesat:261:- get_robust_list:274:100 getpeername:52:205 getpgid:121:155 getpriority:140:141 getsid:124:156
getsockopt:55:209 getxattr:191:8 getxattrat:464:464 init_module:175:105 inotify_add_watch:254:27 inotify_init:253:-
inotify_init1:294:26 io_setup:206:0 io_submit:209:2 io_uring_enter:426:426 io_uring_register:427:427
io_uring_setup:425:425 ioperm:173:- iopl:172:- ioprio_get:252:31 ioprio_set:251:30 kcmp:312:272 kexec_load:246:104
keyctl:250:219 landlock_create_ruleset:444:444 lchown:94:- link:86:- linkat:265:37 listen:50:201 listmount:458:458
listxattr:194:11 listxattrat:465:465 lookup_dcookie:212:18 lremovexattr:198:15 lsetxattr:189:6 mbind:237:235
memfd_create:319:279 memfd_secret:447:447 migrate_pages:256:238 mincore:27:232 mkdir:83:- mkdirat:258:34 mknod:133:-
mknodat:259:33 mlock:149:228 mlockall:151:230 modify_ldt:154:- mount:165:40 mount_setattr:442:442 move_mount:429:429
move_pages:279:239 mq_open:240:180 mq_unlink:241:181 mseal:462:462 msgctl:71:187 msgget:68:186 msgrcv:70:188
msgsnd:69:189 msync:26:227 name_to_handle_at:303:264 open_by_handle_at:304:265 open_tree:428:428
open_tree_attr:467:467 openat2:437:437 pause:34:- perf_event_open:298:241 personality:135:92 pidfd_getfd:438:438
pidfd_open:434:434 pidfd_send_signal:424:424 pivot_root:155:41 pkey_alloc:330:289 process_madvise:440:440
process_mrelease:448:448 process_vm_readv:310:270 process_vm_writev:311:271 ptrace:101:117 quotactl:179:60
quotactl_fd:443:443 reboot:169:142 recvfrom:45:207 recvmsg:47:212 remap_file_pages:216:234 removexattr:197:14
removexattrat:466:466 rename:82:- renameat:264:38 renameat2:316:276 request_key:249:218 rmdir:84:-
rt_sigqueueinfo:129:138 rt_sigtimedwait:128:137 rt_tgsigqueueinfo:297:240 sched_getscheduler:145:120
sched_setaffinity:203:122 sched_setattr:314:274 sched_setparam:142:118 sched_setscheduler:144:119 seccomp:317:277
semctl:66:191 semget:64:190 semop:65:193 sendfile:40:71 sendmmsg:307:269 sendmsg:46:211 sendto:44:206
set_mempolicy:238:237 setdomainname:171:162 setgid:106:144 setgroups:116:159 sethostname:170:161 setitimer:38:103
setns:308:268 setpgid:109:154 setpriority:141:140 setresuid:117:147 setrlimit:160:164 setsid:112:157
setsockopt:54:208 settimeofday:164:170 setuid:105:146 setxattr:188:5 setxattrat:463:463 shmat:30:196 shmctl:31:195
shmdt:67:197 shmget:29:194 shutdown:48:210 signalfd4:289:74 socket:41:198 socketpair:53:199 splice:275:76
statfs:137:43 statmount:457:457 statx:332:291 swapoff:168:225 swapon:167:224 symlink:88:- symlinkat:266:36
sync:162:81 sync_file_range:277:84 syncfs:306:267 syslog:103:116 tee:276:77 timer_create:222:107
timerfd_create:283:85 tkill:200:130 truncate:76:45 umount2:166:39 unlink:87:- unlinkat:263:35 unshare:272:97
userfaultfd:323:282 utime:132:- utimensat:280:88 utimes:235:- vfork:58:- vhangup:153:58 vmsplice:278:75 wait4:61:260
waitid:247:95
"""


def run(program: bytes, arch: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """The verdict of the filter, by classic BPF's rules for the five instructions that it uses."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(*arguments, *[0] * (6 - len(arguments))))
    at, held = 0, 0
    while True:
        code, yes, no, value = struct.unpack_from("<HBBI", program, at * 8)
        at += 1
        if code == 0x20:
            (held,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:
            return int(value)
        else:
            if code == 0x54:
                held &= value
                continue
            at += yes if {0x15: held == value, 0x35: held >= value}[code] else no


@pytest.fixture(params=list(MACHINES))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def verdict(machine: str, number: int, *arguments: int, scratch: bool = False) -> int:
    program = seccomp.filter_program(machine, PID, scratch)
    assert program is not None
    return run(program, MACHINES[machine], number, arguments)


def number(machine: str, pair: tuple[int | None, int | None]) -> int | None:
    return pair[list(MACHINES).index(machine)]


def test_whatever_is_not_on_the_list_is_refused(machine: str) -> None:
    program = seccomp.filter_program(machine, PID)
    assert program is not None
    assert len(program) // 8 <= 4096  # the kernel's own limit
    plain = {number(machine, pair) for pair in syscalls.ALLOWED.values()}
    some = {number(machine, pair) for pair, _ in syscalls.conditional(PID, False)}
    assert plain & some <= {None}
    for call in range(2048):
        # Arguments of ones: no condition holds.
        got = run(program, MACHINES[machine], call, (2**64 - 1,) * 6)
        assert (got == ALLOW) == (call in plain), call
        assert got in (ALLOW, EPERM, ENOSYS)
        assert call < 424 or got in (ALLOW, ENOSYS)  # what is newer than the C library must look absent


def test_calls_that_reach_beyond_the_process_are_not_on_the_list(machine: str) -> None:
    names = [row.split(":") for row in REACHING.split()]
    assert len(names) > 200
    column = 1 + list(MACHINES).index(machine)
    for row in names:
        if row[column] != "-":
            assert verdict(machine, int(row[column])) in (EPERM, ENOSYS), row[0]


CONDITIONS = [
    # name, numbers, arguments, allowed
    ("a thread", (56, 220), (0x3D0F00,), True),
    ("a process", (56, 220), (17,), False),
    ("vfork", (56, 220), (0x4111,), False),
    ("a thread in a namespace", (56, 220), (0x3D0F00 | 0x20000,), False),
    ("memory", (9, 222), (0, 4096, 3, 0x22), True),
    ("a huge page", (9, 222), (0, 4096, 3, 0x40022), False),
    ("a signal to itself", (62, 129), (PID, 6), True),
    ("a signal to another", (62, 129), (1, 9), False),
    ("a signal to all", (62, 129), (2**32 - 1, 9), False),
    ("a signal to its group", (62, 129), (0, 9), False),
    ("a signal to a thread of its own", (234, 131), (PID, 9, 6), True),
    ("a signal to a thread of another", (234, 131), (1, 1, 6), False),
    ("to read a limit", (302, 261), (0, 7, 0), True),
    ("to read another's limit", (302, 261), (1, 7, 0), False),
    ("to set a limit", (302, 261), (0, 7, 4096), False),
    ("to set a limit, high half", (302, 261), (0, 7, 2**40), False),
    ("a thread's name", (157, 167), (15, 4096), True),
    ("a name for memory", (157, 167), (0x53564D41,), True),
    ("to outlive the parent", (157, 167), (1, 0), False),
    ("to outlive the parent, high half set", (157, 167), (1 + 2**40, 0), False),
    ("to be dumpable", (157, 167), (4, 1), False),
    ("is it a terminal", (16, 29), (1, 0x5401), True),
    ("a file's flags", (16, 29), (1, 0x40086602), False),
    ("to feed a terminal", (16, 29), (1, 0x5412), False),
    ("another handle", (72, 25), (1, 1030, 3), True),
    ("not to wait", (72, 25), (1, 4, 0x802), True),
    ("to be signalled", (72, 25), (1, 4, 0x2000), False),
    ("an owner to signal", (72, 25), (1, 8, 1), False),
    ("a lock", (72, 25), (1, 6), False),
    ("a lease", (72, 25), (1, 1024), False),
    ("a watch", (72, 25), (1, 1026), False),
    ("a larger pipe", (72, 25), (1, 1031), False),
    ("own processors", (204, 123), (0,), True),
    ("another's processors", (204, 123), (1,), False),
    ("to read a file", (257, 56), (2**64 - 100, 1, 0x80000), True),
    ("to write a file", (257, 56), (2**64 - 100, 1, 1), False),
    ("to read and write", (257, 56), (2**64 - 100, 1, 2), False),
    ("to make a file", (257, 56), (2**64 - 100, 1, 0x40), False),
    ("to empty a file", (257, 56), (2**64 - 100, 1, 0x200), False),
    ("a nameless file", (257, 56), (2**64 - 100, 1, 0x410000 | 2), False),
    ("to make a file, the older way", (2, None), (1, 0x41), False),
]


@pytest.mark.parametrize(("name", "pair", "arguments", "allowed"), CONDITIONS, ids=[c[0] for c in CONDITIONS])
def test_conditions(
    name: str, pair: tuple[int | None, int | None], arguments: tuple[int, ...], allowed: bool, machine: str
) -> None:
    call = number(machine, pair)
    if call is not None:
        assert (verdict(machine, call, *arguments) == ALLOW) == allowed


def test_a_folder_to_write_in_opens_a_few_calls_and_no_more(machine: str) -> None:
    more = {number(machine, pair) for pair in syscalls.SCRATCH.values()}
    for call in range(1024):
        plain, wider = verdict(machine, call), verdict(machine, call, scratch=True)
        assert (plain != wider) == (call in more), call
    for pair, arguments in (((257, 56), (0, 1, 0x242)), ((2, None), (1, 0x242))):
        result = number(machine, pair)
        if result is not None:
            assert verdict(machine, result, *arguments, scratch=True) == ALLOW


def test_other_tables_of_numbers_end_the_process(machine: str) -> None:
    program = seccomp.filter_program(machine, PID)
    assert program is not None
    assert run(program, MACHINES[machine] ^ 1, 0) == KILL
    assert run(program, 0x40000003, 20) == KILL  # i386, by int 0x80
    if machine == "x86_64":
        assert run(program, MACHINES[machine], 0x40000000 | 41) == KILL  # x32
        assert run(program, MACHINES[machine], 0xFFFFFFFF) == KILL


def test_an_unknown_machine_gets_no_filter_and_no_claim() -> None:
    assert seccomp.filter_program("riscv64", 1) is None
