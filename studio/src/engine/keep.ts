/** What outlives the page: one record per name, in the browser's own database. */

const [DATABASE, STORE] = ['globalperc-studio', 'kept'];

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the browser keeps nothing for this page'));
  });
}

async function within<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await opened();
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = work(transaction.objectStore(STORE));
      // Not before it is on the disk.
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error ?? new Error('the browser has no room for it'));
      transaction.onerror = transaction.onabort;
    });
  } finally {
    database.close();
  }
}

/** Keeps a record in place of the former. */
export const keep = (name: string, record: unknown): Promise<unknown> =>
  within('readwrite', (store) => store.put(record, name));

/** The record kept under a name, if there is one. */
export const kept = <T>(name: string): Promise<T | undefined> =>
  within('readonly', (store) => store.get(name) as IDBRequest<T | undefined>);

export const forget = (name: string): Promise<unknown> => within('readwrite', (store) => store.delete(name));
