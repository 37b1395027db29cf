# Sourced by demo/run and tests/run: finds out which Debian packages are missing and installs them.

missing=()

# need COMMAND PACKAGE...: the packages are wanted where the command is not there.
need() {
    command -v "$1" >/dev/null 2>&1 || missing+=("${@:2}")
}

# The programs of a PostgreSQL server, which Debian puts beside the path.
need_postgresql() {
    local file
    for file in /usr/lib/postgresql/*/bin/postgres; do
        [ -e "$file" ] && return
    done
    missing+=(postgresql)
}

# The full Noto Sans CJK, for Chinese in the browser of this machine and in prints.
need_font() {
    local file
    for file in /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc; do
        [ -e "$file" ] && return
    done
    missing+=(fonts-noto-cjk)
}

install_missing() {
    [ ${#missing[@]} -gt 0 ] || return 0
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 || { echo "Please install: ${missing[*]}" >&2; exit 1; }
        as_root=(sudo)
    fi
    command -v apt-get >/dev/null 2>&1 || { echo "Please install: ${missing[*]}" >&2; exit 1; }
    echo "Installing missing system packages: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
