#!/bin/bash
# Entry of an executor pod: Spark says by environment variables what to start. pyspark's wheel
# brings no entry point of its own for Kubernetes.
set -eu

if [ "${1:-}" != executor ]; then
    echo "fink_like: this image runs executors; drivers name spark-submit, see k8s/ingest.yaml" >&2
    exit 64
fi

# Java options come numbered: SPARK_JAVA_OPT_0, SPARK_JAVA_OPT_1, ...
options=()
for name in $(compgen -v SPARK_JAVA_OPT_ | sort -V); do
    options+=("${!name}")
done

exec "$JAVA_HOME/bin/java" "${options[@]}" \
    "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" \
    -cp "${SPARK_CONF_DIR:-$SPARK_HOME/conf}:$SPARK_HOME/jars/*" \
    org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
    --driver-url "$SPARK_DRIVER_URL" \
    --executor-id "$SPARK_EXECUTOR_ID" \
    --cores "$SPARK_EXECUTOR_CORES" \
    --app-id "$SPARK_APPLICATION_ID" \
    --hostname "$SPARK_EXECUTOR_POD_IP" \
    --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" \
    --podName "$SPARK_EXECUTOR_POD_NAME"
