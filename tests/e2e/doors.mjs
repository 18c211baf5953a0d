// The two doors to a vault, alike: each makes, changes and removes sources and answers with `{ source, seq }`.

export const byHttp = (person) => ({
  async create(vault, source) {
    const { body, seq } = (await person.post(`/api/vaults/${vault.id}/sources`, source)).is(201);
    return { source: body, seq };
  },
  async update({ id }, changes) {
    const { body, seq } = (await person.patch(`/api/sources/${id}`, changes)).is(200);
    return { source: body, seq };
  },
  async remove({ id }) {
    const { seq } = (await person.delete(`/api/sources/${id}`)).is(204);
    return { seq };
  },
});

export const bySocket = (listener) => ({
  create: (vault, source) => listener.does('source:created', { vaultId: vault.id, source }),
  update: ({ id }, changes) => listener.does('source:updated', { source: { id, ...changes } }),
  remove: ({ id }) => listener.does('source:deleted', { sourceId: id }),
});
