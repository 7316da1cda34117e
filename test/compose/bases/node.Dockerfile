# In place of node:24: the Node and npm of this machine, and the authorities that its npm trusts.
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
RUN apt-get update -q \
  && apt-get install -y -q --no-install-recommends tini libatomic1 libstdc++6 \
  && rm -rf /var/lib/apt/lists/*
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
COPY authorities.crt /etc/ssl/certs/authorities.crt
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/authorities.crt
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && node --version && npm --version
