# In place of the server's official image: MySQL 9.7 of Debian, with the user that mysqld runs as there.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
RUN apt-get update -q \
  && apt-get install -y -q --no-install-recommends mysql-server-core mysql-client-core zstd \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --system --uid 999 --home-dir /var/lib/mysql mysql \
  && mysqld --version
