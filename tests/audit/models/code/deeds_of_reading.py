"""What is read or known of what lies outside. See deeds.py."""

import os

from deed_tools import AT, deed, near, raw

# -- contents outside -------------------------------------------------------------------------------------------------


@deed("read")
def read_secret(self):
    with open(self.secret) as stream:
        stream.read(1)


@deed("read")
def list_outside(self):
    os.listdir(self.folder)


@deed("read")
def list_root(self):
    return "etc" in os.listdir("/") and os.path.exists("/etc/passwd")


@deed("read")
def read_passwd(self):
    with open("/etc/passwd") as stream:
        stream.read(1)


@deed("read", sure=False)
def environment_of_parent(self):
    with open(f"/proc/{self.parent}/environ", "rb") as stream:
        stream.read(1)


@deed("read")
def own_environment(self):
    with open("/proc/self/environ", "rb") as stream:
        stream.read(1)


@deed("read")
def own_mounts(self):
    with open("/proc/self/mountinfo", "rb") as stream:
        stream.read(1)


@deed("read")
def climb_out(self):
    with open(os.path.join(self.near, "..", os.path.basename(self.folder), os.path.basename(self.secret))) as stream:
        stream.read(1)


@deed("read")
def by_link(self):
    with open(near(self, "link-out")) as stream:
        stream.read(1)


@deed("read", sure=False)
def by_magic_link(self):
    with open(f"/proc/{self.parent}/cwd/etc/passwd") as stream:
        stream.read(1)


# -- what exists outside ----------------------------------------------------------------------------------------------


@deed("name")
def stat_secret(self):
    os.stat(self.secret)


@deed("name")
def stat_through_link(self):
    os.stat(near(self, "link-out"))


@deed("name")
def access_secret(self):
    return os.access(self.secret, os.F_OK)


@deed("name")
def access_secret_newly(self):
    return raw(439, AT, self.secret.encode(), 0, 0) is True or raw((269, 48), AT, self.secret.encode(), 0)


@deed("name")
def read_link_outside(self):
    os.readlink(os.path.join(self.folder, "link"))


@deed("name")
def open_without_reading(self):
    return os.path.exists(self.folder)


@deed("name")
def process_exists(self):
    os.stat(f"/proc/{self.parent}")


@deed("name")
def device_exists(self):
    os.stat("/dev/full")
