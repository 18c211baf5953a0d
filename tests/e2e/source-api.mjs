// The mutations of sources over HTTP and over a socket, behind one interface. `create` and `update` resolve with
// `{ source, seq }`, `remove` with `{ seq }`.

export const httpApi = (user) => ({
  async create(vault, source) {
    const { body, seq } = (await user.post(`/api/vaults/${vault.id}/sources`, source)).expectStatus(201);
    return { source: body, seq };
  },
  async update({ id }, changes) {
    const { body, seq } = (await user.patch(`/api/sources/${id}`, changes)).expectStatus(200);
    return { source: body, seq };
  },
  async remove({ id }) {
    const { seq } = (await user.delete(`/api/sources/${id}`)).expectStatus(204);
    return { seq };
  },
});

export const socketApi = (client) => ({
  create: (vault, source) => client.emitOk('source:created', { vaultId: vault.id, source }),
  update: ({ id }, changes) => client.emitOk('source:updated', { source: { id, ...changes } }),
  remove: ({ id }) => client.emitOk('source:deleted', { sourceId: id }),
});
