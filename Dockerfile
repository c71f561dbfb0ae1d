# The image of a node: both programs, an ordinary user, one folder of data.
#
#   docker build --tag helenus .
#
# Binaries that are built already are taken as they are, so that the build needs no network:
#
#   docker build --tag helenus --build-arg PREBUILT=prebuilt .     # a folder of the context

FROM rust:1.95-bookworm AS builder
LABEL helenus.stage=builder
WORKDIR /helenus
COPY . .
ARG PREBUILT=
RUN set -eu; \
    if [ -z "$PREBUILT" ]; then \
        cargo build --release --locked --bin helenus --bin cql-lite; \
    fi; \
    install --target-directory=/usr/local/bin \
        "${PREBUILT:-target/release}/helenus" "${PREBUILT:-target/release}/cql-lite"

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="helenus" \
    org.opencontainers.image.description="A wide-column store" \
    org.opencontainers.image.licenses="Apache-2.0"
# A new volume takes its owner from the folder of the image that it covers.
RUN groupadd --gid 65532 helenus \
    && useradd --uid 65532 --gid 65532 --create-home helenus \
    && install --directory --owner=65532 --group=65532 --mode=0750 /var/lib/helenus
COPY --from=builder /usr/local/bin/helenus /usr/local/bin/cql-lite /usr/local/bin/
ENV HELENUS_DATA_DIR=/var/lib/helenus
VOLUME /var/lib/helenus
USER 65532:65532
EXPOSE 7000 9042 9044 9180
# Drains: what is acknowledged is in sstables, the log is empty.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/helenus"]
CMD ["start"]
