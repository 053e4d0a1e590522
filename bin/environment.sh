# Shell side of set-up, sourced by bin/demo, bin/test and bin/fink-like (POSIX sh).
#
# Sets and exports: root (the clone), python (of the environment, made if need be), PYSPARK_PYTHON,
# PATH. `environment [extra]` makes them, `set_up` brings Java and the jars, and
# compiles the kernels.
#
# Yours to set: FINK_LIKE_PYTHON  a Python to make the environment with
#               FINK_LIKE_VENV    another place than .venv for the environment
#               FINK_LIKE_MAVEN   another Maven repository than Central for the jars
#               XDG_CACHE_HOME    another place than ~/.cache for the jars

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1

# Another environment's leftovers would send Python or Spark to other packages than ours.
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV CLASSPATH SPARK_HOME SPARK_CONF_DIR SPARK_DIST_CLASSPATH \
      PYSPARK_PYTHON PYSPARK_DRIVER_PYTHON PYSPARK_DRIVER_PYTHON_OPTS PYSPARK_SUBMIT_ARGS \
      PYSPARK_GATEWAY_PORT PYSPARK_GATEWAY_SECRET

# Java 17 cannot open a path with an accent where the locale is plain C, as in most containers.
case "${LC_ALL:-${LC_CTYPE:-${LANG:-}}}" in
    *[Uu][Tt][Ff]*8) ;;
    *) LC_ALL=C.UTF-8; export LC_ALL ;;
esac

# Spark would listen on the network's address otherwise; on a laptop everything is on loopback.
: "${SPARK_LOCAL_IP:=127.0.0.1}"
export SPARK_LOCAL_IP

# Prints the first Python that runs and is new enough; 3.14 and later only if there is no other,
# because compiled packages follow a new Python months later.
find_python() {
    for newest in 14 99; do
        for name in "${FINK_LIKE_PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.10; do
            [ -n "$name" ] && "$name" -c "import sys
if not (3, 10) <= sys.version_info < (3, $newest): sys.exit(1)
print(sys.executable)" 2>/dev/null && return
        done
    done
    found=$(python3 --version 2>/dev/null) || found='no python3 that runs'
    echo "fink_like: Python 3.10 or newer is needed, found $found. Install one (Debian, as root:" \
         "\`apt-get install python3-venv\`), or set FINK_LIKE_PYTHON to one that you have." >&2
    return 1
}

environment() {
    system_python=$(find_python) || exit 1
    python=$(cd -- "$root" && "$system_python" -m fink_like.environment "$root" "$@") || exit 1
    PYSPARK_PYTHON=$python
    PATH=$(dirname -- "$python"):$PATH
    export python PYSPARK_PYTHON PATH
}

set_up() {
    JAVA_HOME=$("$python" -m fink_like.prepare) || exit 1
    export JAVA_HOME
    "$python" -m fink_like.warmup || exit 1
}
