# In place of hashicorp/consul: the same command line.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
COPY consul /bin/consul
VOLUME /consul/data
ENTRYPOINT ["consul"]
